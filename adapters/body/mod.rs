//! HTTP bodies.

mod from_guest;
mod read;
mod trailers;

pub use self::from_guest::{BodyError, GuestBody, GuestBodySink, NoTrailers, from_guest};
pub use self::read::{Read, Trailers, read};
pub use self::trailers::{GuestTrailers, TrailersSink, trailers_from_guest};

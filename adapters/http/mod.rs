//! Adapters for the bodies of HTTP messages.

mod body;
mod guest_body;
mod guest_trailers;

pub use self::body::{HttpBody, HttpTrailers, TrailersError, http_body};
pub use self::guest_body::{BodyError, GuestBody, GuestBodySink, NoTrailers, guest_body};
pub use self::guest_trailers::{GuestTrailers, TrailersSink, guest_trailers};

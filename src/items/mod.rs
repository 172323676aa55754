//! What a guest's item is on the host's side, and the way back: plain values as they are, streams and futures as objects of
//! the host's.
//!
//! A handle is a number in the table of one store, and Wasmtime's readers have no `Drop`: one that is kept raw can be freed by
//! nobody, and means something else in another store. So no raw handle leaves the poll in which it crosses. The two traits here
//! say what it becomes, and a type that holds handles and has no such word for it does not compile as an item.

mod crossing;
mod deliver;
mod handles;
mod nested;
mod values;

pub use self::crossing::{Crossing, IntoGuest, IntoHost, Plain};
pub(crate) use self::deliver::{AsIs, receive_each};
pub use self::deliver::{Deliver, Identity, Receive, With};
pub use self::nested::Nested;
pub(crate) use self::values::is_text_or_list;

//! Sockets and pipes, listeners, datagrams.

mod accept;
mod datagrams;
mod read;
mod ready;
mod send_to;
mod socket;
mod write;

pub use self::accept::{Accept, accept};
pub use self::datagrams::{Datagrams, datagrams};
pub use self::read::{Read, read};
pub use self::send_to::{SendTo, send_to};
pub use self::socket::{SocketAccept, SocketRead, SocketWrite};
pub use self::write::{Write, write};

//! Adapters for tokio's traits and types.

mod accept;
mod buf_read;
mod datagrams;
mod net;
mod oneshot;
mod read;
mod send_to;
mod socket;
mod socket_read;
mod socket_write;
mod write;

pub use self::accept::{TokioAccept, tokio_accept};
pub use self::buf_read::{TokioBufRead, tokio_buf_read};
pub use self::datagrams::{TokioDatagrams, tokio_datagrams};
pub use self::oneshot::{TokioOneshot, tokio_oneshot};
pub use self::read::{TokioRead, tokio_read};
pub use self::send_to::{TokioSendTo, tokio_send_to};
pub use self::socket::{SocketAccept, SocketRead, SocketWrite};
pub use self::socket_read::{TokioSocketRead, tokio_socket_read};
pub use self::socket_write::{TokioSocketWrite, tokio_socket_write};
pub use self::write::{TokioWrite, tokio_write};

//! Adapters for tokio's traits and types.

mod blocking;
/// The accessors of a sink over a channel's sender. They differ from those of other adapters since the sender is
/// dropped, not shut down, when the stream ends in order.
macro_rules! sender_accessors {
    ($sender:ident: $type:ty) => {
        /// The sender, unless it was dropped at the end of the stream.
        pub fn get_ref(&self) -> Option<&$type> {
            self.$sender.as_ref()
        }

        /// The sender, unless it was dropped at the end of the stream.
        pub fn into_inner(self) -> Option<$type> {
            self.$sender
        }
    };
}

mod broadcast_receiver;
mod broadcast_sender;
mod buf_read;
mod ends;
mod lift;
mod oneshot;
mod read;
mod receiver;
mod sender;
mod timer;
mod unbounded_sender;
mod wait;
mod watch_receiver;
mod watch_sender;
mod write;

pub use self::blocking::{tokio_blocking_read, tokio_blocking_write};
pub use self::broadcast_receiver::{TokioBroadcastReceiver, tokio_broadcast_receiver};
pub use self::broadcast_sender::{TokioBroadcastSender, tokio_broadcast_sender};
pub use self::buf_read::{TokioBufRead, tokio_buf_read};
pub use self::lift::tokio_duplex;
pub use self::oneshot::{TokioOneshot, tokio_oneshot};
pub use self::read::{TokioRead, tokio_read};
pub use self::receiver::{
    TokioReceiver, TokioUnboundedReceiver, tokio_receiver, tokio_unbounded_receiver,
};
pub use self::sender::{TokioSender, tokio_sender};
pub use self::unbounded_sender::{TokioUnboundedSender, tokio_unbounded_sender};
pub use self::watch_receiver::{TokioWatchReceiver, tokio_watch_receiver};
pub use self::watch_sender::{TokioWatchSender, tokio_watch_sender};
mod accept;
mod datagrams;
mod net;
mod send_to;
mod socket;
mod socket_read;
mod socket_write;
pub use self::accept::{TokioAccept, tokio_accept};
pub use self::datagrams::{TokioDatagrams, tokio_datagrams};
pub use self::send_to::{TokioSendTo, tokio_send_to};
pub use self::socket::{SocketAccept, SocketRead, SocketWrite};
pub use self::socket_read::{TokioSocketRead, tokio_socket_read};
pub use self::socket_write::{TokioSocketWrite, tokio_socket_write};
pub use self::write::{TokioWrite, tokio_write};

//! tokio's channels.

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
mod mpsc_receiver;
mod mpsc_sender;
mod mpsc_unbounded_sender;
mod oneshot_sender;
mod wait;
mod watch_receiver;
mod watch_sender;

pub use self::broadcast_receiver::{BroadcastReceiver, broadcast_receiver};
pub use self::broadcast_sender::{BroadcastSender, broadcast_sender};
pub use self::mpsc_receiver::{
    MpscReceiver, MpscUnboundedReceiver, mpsc_receiver, mpsc_unbounded_receiver,
};
pub use self::mpsc_sender::{MpscSender, mpsc_sender};
pub use self::mpsc_unbounded_sender::{MpscUnboundedSender, mpsc_unbounded_sender};
pub use self::oneshot_sender::{OneshotSender, oneshot_sender};
pub use self::watch_receiver::{WatchReceiver, watch_receiver};
pub use self::watch_sender::{WatchSender, watch_sender};

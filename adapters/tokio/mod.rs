//! Adapters for tokio's traits and types.

mod blocking;
mod buf_read;
mod ends;
mod lift;
mod oneshot;
mod read;
mod write;

pub use self::blocking::{tokio_blocking_read, tokio_blocking_write};
pub use self::buf_read::{TokioBufRead, tokio_buf_read};
pub use self::lift::tokio_duplex;
pub use self::oneshot::{TokioOneshot, tokio_oneshot};
pub use self::read::{TokioRead, tokio_read};
pub use self::write::{TokioWrite, tokio_write};

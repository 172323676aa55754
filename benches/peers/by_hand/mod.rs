//! The other side of the rows: code by hand without this crate, each as fast as possible.

mod batch;
mod chunk;
mod direct;
mod one;
mod queue;

pub(crate) use self::batch::{BatchRead, BatchWrite};
pub(crate) use self::chunk::{ChunkRead, Collect, HandOver};
pub(crate) use self::direct::{DirectRead, DirectWrite};
pub(crate) use self::one::{OneCall, OneRead, OneWrite};
pub(crate) use self::queue::queue;

//! The rows, one file a group.

mod bytes;
mod channels;
mod completions;
mod growth;
mod items;
mod tasks;
mod tcp;

pub(crate) use self::bytes::bytes;
pub(crate) use self::channels::channels;
pub(crate) use self::completions::completions;
pub(crate) use self::growth::growth;
pub(crate) use self::items::items;
pub(crate) use self::tasks::tasks;
pub(crate) use self::tcp::tcp;

/// What the best code by hand is as fast as, but for noise.
const AS_FAST: f64 = 0.9;

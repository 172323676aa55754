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

/// As fast as the best code by hand, except for noise.
const AS_FAST: f64 = 0.9;

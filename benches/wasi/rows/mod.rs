//! The rows, each with a check of its bytes on both hosts.

mod files;
mod limits;
mod listing;
mod stdio;
mod tcp;

pub(crate) use self::files::files;
pub(crate) use self::limits::{blocked, limits};
pub(crate) use self::listing::listing;
pub(crate) use self::stdio::stdio;
pub(crate) use self::tcp::tcp;

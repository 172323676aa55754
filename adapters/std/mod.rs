//! Adapters for the standard library's traits and types, and for closures. They need no feature.

mod collect;
mod collect_bytes;
mod for_each;
mod iter;
mod job;
mod read;
mod write;

pub use self::collect::{Collect, collect};
pub use self::collect_bytes::{CollectBytes, collect_bytes};
pub use self::for_each::{Calls, EachBatch, EachItem, for_each, for_each_batch};
pub use self::iter::{IterItems, TryIterItems, iter, try_iter};
pub use self::job::Job;
pub use self::read::{StdRead, std_read};
pub use self::write::{StdWrite, std_write};

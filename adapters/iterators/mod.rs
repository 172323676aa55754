//! Iterators, closures and collectors.

mod collect;
mod collect_bytes;
mod for_each;
mod items;

pub use self::collect::{Collect, collect};
pub use self::collect_bytes::{CollectBytes, collect_bytes};
pub use self::for_each::{Calls, EachBatch, EachItem, for_each, for_each_batch};
pub use self::items::{Items, TryItems, items, try_items};

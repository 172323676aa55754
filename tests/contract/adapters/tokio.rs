//! The rows of the feature `tokio`.

use wasmtime_streams as ws;
use wasmtime_streams::testing::{self, Made, Report};

use super::{ITEMS, Kind, add, completed};
use crate::script::{Reader, Writer};

#[rustfmt::skip]
rows! {
    tokio_read: source!(ITEMS.to_vec(), short: true, Ready Parts Fails, |script| ws::tokio_read(Reader::new(script)));
    tokio_buf_read: source!(ITEMS.to_vec(), short: true, Ready Parts Fails, |script| ws::tokio_buf_read(Reader::new(script)));
    tokio_write: sink!(ITEMS.to_vec(), Ready Parts Fails, ws::tokio_write);
}

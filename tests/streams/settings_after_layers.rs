//! The settings of an adapter work after a limit as they do before one.

use std::io::Cursor;

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, channel::mpsc};
use http_body_util::Full;
use tokio::sync::broadcast;
use wasmtime_streams::{Flush, blocking, body, channels, sinks};

use crate::support::guest::{Code, with_guest};

#[test]
fn a_lag_is_mapped_after_a_limit_and_counts_for_it() {
    // Rule "Items before the error": a lag is no error.
    with_guest::<u8, _>(async |guest| {
        let (tx, rx) = broadcast::channel(2);
        (1..=4_u8).for_each(|n| drop(tx.send(n)));
        let producer = channels::broadcast_receiver(rx).limit(2).on_lag(|n| Some(100 + n as u8));
        let stream = guest.source(producer).await;
        assert_eq!(guest.recv(stream, 8).await, (Code::Dropped(2), vec![102, 3]));
    });
}

#[test]
fn a_buffer_is_set_after_a_limit() {
    // Rule "Fill each operation".
    with_guest::<u8, _>(async |guest| {
        let producer =
            blocking::read_on(Cursor::new(b"12345"), blocking::Job::run).limit(3).buffer(2);
        let stream = guest.source(producer).await;
        assert_eq!(guest.recv(stream, 8).await, (Code::Completed(2), b"12".to_vec()));
        assert_eq!(guest.recv(stream, 8).await, (Code::Dropped(1), b"3".to_vec()));
    });
}

#[test]
fn a_chunks_size_is_set_after_a_limit() {
    // Rule "Bounded memory".
    with_guest::<u8, _>(async |guest| {
        let (tx, rx) = mpsc::unbounded::<Bytes>();
        let consumer = sinks::chunks(tx).limit(5).max_chunk(2).flush(Flush::OnClose);
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send(stream, b"123456").await, Code::Dropped(5));
        let chunks: Vec<_> = rx.take(3).collect().await;
        assert_eq!(chunks, ["12", "34", "5"]);
    });
}

#[test]
fn trailers_are_asked_for_after_a_limit() {
    // Rule "Truncated is never complete": nothing stays open after the end.
    with_guest::<u8, _>(async |guest| {
        let (producer, trailers) = body::read(Full::new(&b"12"[..])).limit(8).with_trailers();
        let stream = guest.source(producer).await;
        assert_eq!(guest.recv(stream, 8).await, (Code::Dropped(2), b"12".to_vec()));
        assert!(matches!(trailers.now_or_never(), Some(Ok(None))));
    });
}

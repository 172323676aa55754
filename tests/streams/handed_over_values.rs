//! A guest's `future<T>` as a Rust future, and the other way round.

use wasmtime_streams::{Cut, from_guest, to_guest};
use wasmtime_streams_testing::executor;

use crate::support::guest::{Code, with_guest, with_trapping_guest};

#[test]
fn a_value_crosses_and_one_that_nobody_wants_comes_back() {
    // Rule "Completion", for a future.
    with_guest::<u32, _>(async |guest| {
        let (sender, producer) = to_guest::value_producer();
        let future = guest.future_source(producer).await;
        assert_eq!(guest.future_read(future).await, Code::Blocked);
        assert_eq!(sender.send(7), Ok(()));
        assert_eq!(guest.wait(future).await, Code::Completed(0));
        assert_eq!(guest.items(1).await, [Some(7)]);

        let (sender, producer) = to_guest::value_producer();
        let future = guest.future_source(producer).await;
        guest.future_drop_readable(future).await;
        assert_eq!(sender.send(8), Err(8));

        let (consumer, value) = from_guest::value_consumer();
        let future = guest.future_sink(consumer).await;
        guest.load_items(&[9]).await;
        assert_eq!(guest.future_write(future).await, Code::Completed(0));
        assert_eq!(value.await, Ok(9));
    });
}

#[test]
fn a_sender_that_is_dropped_traps_a_guest_that_reads() {
    // Rule "No traps, no panics": a future must resolve.
    let error = with_trapping_guest::<u32, _>(async |guest| {
        let (sender, producer) = to_guest::value_producer::<u32>();
        let future = guest.future_source(producer).await;
        assert_eq!(guest.future_read(future).await, Code::Blocked);
        drop(sender);
        guest.wait(future).await
    });
    assert!(format!("{error:#}").contains("the host dropped the sender"), "{error:#}");
}

#[test]
fn a_guest_that_gives_no_value_ends_the_value_with_a_cut() {
    // Rule "Completion": the consumer is dropped with the store.
    let mut kept = None;
    with_trapping_guest::<u32, _>(async |guest| {
        let (consumer, value) = from_guest::value_consumer::<u32>();
        guest.future_sink(consumer).await;
        kept = Some(value);
        guest.trap().await;
    });
    assert_eq!(executor::run(kept.unwrap()), Err(Cut(wasmtime_streams::EndReason::Abandoned)));
}

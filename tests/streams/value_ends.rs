//! The end of a `future<T>` of the host: a value given instead, a completion, a span.

use std::future::pending;

use futures::{FutureExt as _, channel::oneshot, future::join};
use wasmtime_streams::{End, values};

use crate::support::guest::{BUFFER, Code, with_guest, with_trapping_guest};

#[test]
fn a_guest_gets_the_value_given_instead() {
    // Rule "No traps, no panics": a future must resolve. Rule "Register the current waker".
    with_guest::<u32, _>(async |guest| {
        let (tx, rx) = oneshot::channel::<()>();
        let value = values::future(pending()).until(rx.map(|_| 7_u32));
        let (value, delivered) = value.with_completion();
        let handle = guest.future_source(value).await;
        assert_eq!(guest.future_read(handle).await, Code::Blocked);
        let mut wait = Box::pin(guest.wait(handle));
        assert_eq!(guest.parked(&mut wait).await, None);
        tx.send(()).unwrap();
        let (code, end) = join(wait, delivered).await;
        assert_eq!(code, Code::Completed(0));
        assert!(end.is_finished(), "{end:?}");
        assert_eq!(guest.dump(BUFFER, 4).await, [7, 0, 0, 0]);
    });
}

#[test]
fn the_value_of_the_future_itself_goes_first() {
    // Rule "No traps, no panics": both futures are ready.
    with_guest::<u32, _>(async |guest| {
        let value = values::future(async { 5_u32 }).until(async { 7 });
        let handle = guest.future_source(value).await;
        assert_eq!(guest.future_read(handle).await, Code::Completed(0));
        assert_eq!(guest.dump(BUFFER, 4).await, [5, 0, 0, 0]);
    });
}

#[test]
fn a_cancelled_read_keeps_the_value() {
    // Rule "Cancellation keeps the stream".
    with_guest::<u32, _>(async |guest| {
        let (tx, rx) = oneshot::channel::<u32>();
        let value = values::future(pending()).until(rx.map(Result::unwrap));
        let (value, mut delivered) = value.with_completion();
        let handle = guest.future_source(value).await;
        assert_eq!(guest.future_read(handle).await, Code::Blocked);
        assert_eq!(guest.future_cancel_read(handle).await, Code::Cancelled(0));
        assert!((&mut delivered).now_or_never().is_none(), "delivered by a cancelled read");
        tx.send(9).unwrap();
        assert_eq!(guest.future_read(handle).await, Code::Completed(0));
        assert_eq!(guest.dump(BUFFER, 4).await, [9, 0, 0, 0]);
        assert!(delivered.await.is_finished());
    });
}

#[test]
fn a_completion_reports_that_the_guest_read_no_value() {
    // Rule "Completion".
    with_guest::<u32, _>(async |guest| {
        let (value, delivered) = values::future(pending::<u32>()).with_completion();
        let handle = guest.future_source(value).await;
        guest.future_drop_readable(handle).await;
        assert!(matches!(delivered.await, End::PeerDropped));
    });
}

#[test]
fn a_completion_reports_that_there_was_no_value() {
    // Rule "Completion": its end is the error.
    let (value, delivered) =
        values::try_future(async { Err::<u32, _>(wasmtime::Error::msg("broken")) })
            .with_completion();
    let error = with_trapping_guest::<u32, _>(async |guest| {
        let handle = guest.future_source(value).await;
        guest.future_read(handle).await
    });
    assert!(format!("{error:#}").contains("broken"), "{error:#}");
    let end = delivered.now_or_never().expect("the completion does not know the trap");
    let End::Undeliverable(error) = end else { panic!("{end:?}") };
    assert!(error.to_string().contains("broken"), "{error}");
}

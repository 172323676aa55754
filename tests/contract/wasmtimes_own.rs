//! Wasmtime's own producers, with their known deviations. The one for `Bytes` behaves as the one for `Vec`, and needs a
//! feature of Wasmtime that these tests do not enable.

use futures::FutureExt as _;
use futures::channel::oneshot;
use wasmtime::component::{StreamProducer, VecBuffer};
use wasmtime_streams_testing::{Check, Finding, Made, StreamOut, future_producer, producer};

use crate::wrong::items;

/// Its first answer hands over everything, even to a zero-length read, with an end that Wasmtime forgets.
fn hands_over_everything<P>(make: fn(Vec<u32>) -> P) -> Check<(), u32, StreamOut<P>>
where
    P: StreamProducer<(), Item = u32, Buffer = VecBuffer<u32>>,
{
    producer(items(), move || Made::new(make(items())))
}

const KNOWN: [Finding; 3] = [Finding::TookOnZeroLength, Finding::Overfilled, Finding::LateEnd];

#[test]
fn a_vec_and_a_slice_have_exactly_the_known_deviations() {
    let vec = KNOWN.into_iter().fold(hands_over_everything(|items| items), Check::allow);
    vec.assert();
    let slice = KNOWN.into_iter().fold(hands_over_everything(Vec::into_boxed_slice), Check::allow);
    slice.assert();
}

#[test]
fn a_deviation_that_is_not_allowed_is_found() {
    for missing in KNOWN {
        let declared = KNOWN.into_iter().filter(|known| *known != missing);
        let check = declared.fold(hands_over_everything(|items| items), Check::allow);
        let failure = check.run().expect_err("nothing was found");
        assert_eq!(failure.finding, missing, "\n{failure}\n");
    }
}

#[test]
fn empty_streams_keep_every_rule() {
    producer(Vec::new(), || Made::new(std::iter::empty::<u32>())).assert();
    producer(Vec::new(), || Made::new(futures::stream::empty::<u32>())).assert();
    // There is nothing to hand over too early.
    producer(Vec::new(), || Made::new(Vec::<u32>::new())).assert();
}

#[test]
fn futures_keep_every_rule() {
    future_producer(7, || Made::new(std::future::ready(wasmtime::error::Ok(7_u32)))).assert();
    let report = future_producer(7, || {
        let (tx, rx) = oneshot::channel::<u32>();
        let mut tx = Some(tx);
        Made::new(rx.map(|value| value.map_err(wasmtime::Error::from)))
            .step(move || tx.take().is_some_and(|tx| tx.send(7).is_ok()))
    })
    .assert();
    assert!(report.scripts > 500, "{report}");
}

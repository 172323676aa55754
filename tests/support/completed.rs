//! A completion under the contract kit.

use std::sync::{Arc, Mutex};

use wasmtime_streams::{Completion, End};
use wasmtime_streams_testing::{Made, Reported};

/// Reports the result of the completion, lets the kit drive it, and cuts the stream by its handle.
pub fn completed<X, V, S, E>(made: Made<X, V>, completion: Completion<S, E>) -> Made<X, V>
where
    S: Unpin + 'static,
    E: 'static,
{
    completed_as(made, completion, |end| match end {
        End::Failed(_) => Reported::Failed,
        _ => Reported::Ended,
    })
}

/// The same, with another reading of the ends.
#[allow(dead_code)] // not by every target
pub fn completed_as<X, V, S, E>(
    made: Made<X, V>,
    completion: Completion<S, E>,
    report: fn(End<E>) -> Reported,
) -> Made<X, V>
where
    S: Unpin + 'static,
    E: 'static,
{
    let reports = Arc::new(Mutex::new(Vec::new()));
    let results = reports.clone();
    let handle = completion.cancel_handle();
    made.drive(async move {
        let report = match completion.await.end {
            End::Cancelled => Reported::Cut,
            end => report(end),
        };
        results.lock().unwrap().push(report);
    })
    .cut(move || handle.cancel())
    .reports(move || reports.lock().unwrap().clone())
}

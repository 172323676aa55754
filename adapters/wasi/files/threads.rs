use ::tokio::runtime::Handle;

use crate::blocking::Job;

/// How many bytes an operation moves at most by default.
pub(super) const BUFFER: usize = 256 * 1024;

/// tokio's blocking threads: of the runtime that is current now, or else when a job is given.
///
/// A guest decides when a stream starts, so a missing runtime must not panic: a job that is dropped fails its stream.
pub(super) fn blocking_threads() -> impl FnMut(Job) + Send + 'static {
    let runtime = Handle::try_current().ok();
    move |job| {
        if let Some(runtime) = runtime.clone().or_else(|| Handle::try_current().ok()) {
            drop(runtime.spawn_blocking(|| job.run()));
        }
    }
}

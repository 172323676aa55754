//! Futures that run at the same time in one task of the component.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
};

/// A future of a guest.
pub type Task<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Runs all tasks; the results are in their order.
pub async fn all<T>(tasks: Vec<Task<'_, T>>) -> Vec<T> {
    let mut tasks: Vec<_> = tasks.into_iter().map(|task| (Some(task), None)).collect();
    poll_fn(|cx| {
        let mut pending = false;
        for (task, result) in &mut tasks {
            if let Some(running) = task {
                match running.as_mut().poll(cx) {
                    Poll::Ready(value) => (*task, *result) = (None, Some(value)),
                    Poll::Pending => pending = true,
                }
            }
        }
        if pending { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    tasks.into_iter().filter_map(|(_, result)| result).collect()
}

//! The async methods of `GuestItems` and `HostSink`. They are here, and not with the types, because they use tokio's
//! cooperative budget.

use std::collections::VecDeque;
use std::future::poll_fn;

use super::coop::poll_step;
use crate::Cut;
use crate::from_guest::GuestItems;
use crate::to_guest::{HostSink, Unsent};

impl<T> GuestItems<T> {
    /// Returns the next item; `None` at the end. Cancel-safe: an item is taken only when it is returned.
    pub async fn next_item(&mut self) -> Option<T> {
        poll_fn(|cx| poll_step(cx, |cx| self.poll_item(cx))).await
    }

    /// Returns all items that are ready, at least one; `None` at the end. Cancel-safe.
    pub async fn next_batch(&mut self) -> Option<Vec<T>> {
        poll_fn(|cx| poll_step(cx, |cx| self.poll_batch(cx))).await
    }

    /// Returns the next item; `None` at the end of the data. Cancel-safe.
    ///
    /// # Errors
    ///
    /// [`Cut`], once, after all items, if the stream was cut short on the host's side; then `None`.
    pub async fn try_next_item(&mut self) -> Result<Option<T>, Cut> {
        poll_fn(|cx| poll_step(cx, |cx| self.poll_try_item(cx))).await
    }

    /// Returns all items that are ready, at least one; `None` at the end of the data. Cancel-safe.
    ///
    /// # Errors
    ///
    /// As for [`try_next_item`](Self::try_next_item).
    pub async fn try_next_batch(&mut self) -> Result<Option<Vec<T>>, Cut> {
        poll_fn(|cx| poll_step(cx, |cx| self.poll_try_batch(cx))).await
    }
}

impl<T> HostSink<T> {
    /// Sends an item. Cancel-safe: a send that is dropped before it completes has sent nothing.
    ///
    /// # Errors
    ///
    /// [`Cut`]. The item is dropped.
    pub async fn send_item(&mut self, item: T) -> Result<(), Cut> {
        poll_fn(|cx| poll_step(cx, |cx| self.poll_room(cx))).await?;
        self.try_send(item).map_err(|_| Cut::PEER_DROPPED)
    }

    /// Sends all of `batch`, as many items at a time as there is room for. A send that is dropped before it completes
    /// drops the unsent items.
    ///
    /// # Errors
    ///
    /// [`Unsent`], with the unsent items.
    pub async fn send_batch(&mut self, batch: Vec<T>) -> Result<(), Unsent<VecDeque<T>>> {
        let mut items = VecDeque::from(batch);
        while !items.is_empty() {
            let sent = poll_fn(|cx| poll_step(cx, |cx| self.poll_send(cx, &mut items))).await;
            if let Err(error) = sent {
                return Err(Unsent { error, items });
            }
        }
        Ok(())
    }
}

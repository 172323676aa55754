//! Common mistakes of producers in what they deliver and how they end, one in each.

use std::task::Poll;

use tokio::sync::mpsc::UnboundedReceiver as Rx;
use wasmtime::component::StreamResult::{self, Cancelled, Completed, Dropped};
use wasmtime::component::{Destination, Resource, ResourceTable, ResourceType, VecBuffer};
use wasmtime::error::Context as _;
use wasmtime_streams_testing::{Finding, Made, Reported, producer, producer_in};

use crate::wrong::{ITEMS, Reports, assert_found, full, items, peak, ready, wrong_producer};

wrong_producer! {
    /// Takes the newest item first.
    struct Stack { items: Vec<u32> }
    |this, _, store, dst, _| {
        let wanted = dst.remaining(store).unwrap_or(64).min(this.items.len());
        let rest = this.items.len() - wanted;
        dst.set_buffer(this.items.split_off(rest).into());
        Poll::Ready(Ok(if this.items.is_empty() { Dropped } else { Completed }))
    }
}

#[test]
fn items_are_reordered() {
    let check = producer(items(), || Made::new(Stack { items: items() }));
    assert_found(check, Finding::Reordered, "Exactly once, in order");
}

wrong_producer! {
    /// Does not skip the last item that it gave.
    struct OffByOne { at: usize }
    |this, _, store, dst, _| {
        let wanted = dst.remaining(store).unwrap_or(64);
        let to = (this.at + wanted).min(ITEMS.len());
        dst.set_buffer(ITEMS[this.at..to].to_vec().into());
        this.at = if to - this.at > 1 && to < ITEMS.len() { to - 1 } else { to };
        Poll::Ready(Ok(if to == ITEMS.len() { Dropped } else { Completed }))
    }
}

#[test]
fn an_item_is_doubled() {
    let check = producer(items(), || Made::new(OffByOne { at: 0 }));
    assert_found(check, Finding::Doubled, "Exactly once, in order");
}

wrong_producer! {
    /// Fills a batch, and drops it when the channel ends before it is full.
    struct FullBatches { rx: Rx<u32> }
    |this, cx, store, dst, finish| {
        let wanted = dst.remaining(store).unwrap_or(64);
        let mut batch = Vec::new();
        while batch.len() < wanted {
            match this.rx.poll_recv(cx) {
                Poll::Ready(Some(item)) => batch.push(item),
                Poll::Ready(None) => return Poll::Ready(Ok(Dropped)),
                Poll::Pending if batch.is_empty() && finish => return Poll::Ready(Ok(Cancelled)),
                Poll::Pending if batch.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        dst.set_buffer(batch.into());
        Poll::Ready(Ok(Completed))
    }
}

#[test]
fn the_last_items_are_lost_at_the_end() {
    let check = producer(items(), ready(|rx| FullBatches { rx }));
    assert_found(check, Finding::LostAtEnd, "The end goes with the last items");
}

wrong_producer! {
    /// Never ends.
    struct Endless { rx: Rx<u32> }
    |this, cx, store, dst, finish| {
        match this.rx.poll_recv(cx) {
            _ if dst.remaining(store) == Some(0) => Poll::Ready(Ok(Completed)),
            Poll::Ready(Some(item)) => {
                dst.set_buffer(vec![item].into());
                Poll::Ready(Ok(Completed))
            }
            _ if finish => Poll::Ready(Ok(Cancelled)),
            _ => Poll::Pending,
        }
    }
}

#[test]
fn the_end_never_comes() {
    let check = producer(items(), ready(|rx| Endless { rx })).short();
    assert_found(check, Finding::NoEnd, "The end goes with the last items");
}

type Results = Rx<Result<u32, String>>;

/// All items, and then an error.
fn failing() -> Results {
    full(ITEMS.into_iter().map(Ok).chain([Err("the disk is gone".to_owned())]))
}

wrong_producer! {
    /// Collects a batch with `?`.
    struct CollectsResults { rx: Results, reports: Reports }
    |this, cx, store, dst, _| {
        let wanted = dst.remaining(store).unwrap_or(64);
        let next = || match this.rx.poll_recv(cx) {
            Poll::Ready(result) => result,
            Poll::Pending => None,
        };
        match std::iter::from_fn(next).take(wanted).collect::<Result<Vec<_>, _>>() {
            Ok(batch) => {
                dst.set_buffer(batch.into());
                Poll::Ready(Ok(Completed))
            }
            Err(_) => {
                this.reports.push(Reported::Failed);
                Poll::Ready(Ok(Dropped))
            }
        }
    }
}

#[test]
fn an_error_overtakes_the_items_before_it() {
    let check = producer(items(), || {
        Made::new(CollectsResults { rx: failing(), reports: Reports::default() })
    });
    assert_found(check.fails(), Finding::ErrorOvertook, "Items before the error");
}

/// One item, or the error.
fn one(
    rx: &mut Results,
    dst: &mut Destination<'_, u32, VecBuffer<u32>>,
) -> Result<StreamResult, String> {
    match rx.try_recv() {
        Ok(result) => {
            dst.set_buffer(vec![result?].into());
            Ok(Completed)
        }
        Err(_) => Ok(Dropped),
    }
}

wrong_producer! {
    /// Returns the error of its source to Wasmtime.
    struct ErrorToWasmtime { rx: Results }
    |this, _, store, dst, _| {
        Poll::Ready(match dst.remaining(store) {
            Some(0) => Ok(Completed),
            _ => one(&mut this.rx, &mut dst).map_err(wasmtime::Error::msg),
        })
    }
}

#[test]
fn an_error_traps_the_guest() {
    let check = producer(items(), || Made::new(ErrorToWasmtime { rx: failing() }));
    assert_found(check.fails().short(), Finding::ErrorTrapped, "Items before the error");
}

wrong_producer! {
    /// Prints its error, and ends in order.
    struct PrintsErrors { rx: Results, reports: Reports }
    |this, _, store, dst, _| {
        if dst.remaining(store) == Some(0) {
            return Poll::Ready(Ok(Completed));
        }
        Poll::Ready(Ok(one(&mut this.rx, &mut dst).unwrap_or_else(|error| {
            println!("error: {error}");
            this.reports.push(Reported::Ended);
            Dropped
        })))
    }
}

#[test]
fn an_error_is_lost() {
    let check = producer(items(), || {
        let reports = Reports::default();
        let made = Made::new(PrintsErrors { rx: failing(), reports: reports.clone() });
        made.reports(move || reports.all())
    });
    assert_found(check.fails().short(), Finding::ErrorLost, "Items before the error");
}

wrong_producer! {
    /// Reports its end only when it is asked for items and has none.
    struct ReportsWhenAsked { items: Vec<u32>, reports: Reports }
    |this, _, store, dst, _| {
        let wanted = dst.remaining(store).unwrap_or(64);
        if this.items.is_empty() && wanted > 0 {
            this.reports.push(Reported::Ended);
            return Poll::Ready(Ok(Dropped));
        }
        let to = wanted.min(this.items.len());
        dst.set_buffer(this.items.drain(..to).collect::<Vec<_>>().into());
        Poll::Ready(Ok(Completed))
    }
}

#[test]
fn the_end_is_not_reported_when_the_guest_leaves() {
    let check = producer(items(), || {
        let reports = Reports::default();
        let made = Made::new(ReportsWhenAsked { items: items(), reports: reports.clone() });
        made.reports(move || reports.all())
    });
    assert_found(check, Finding::EndNotReported, "Completion");
}

#[test]
fn a_completion_never_resolves() {
    let check = producer(items(), || {
        let made = Made::new(ReportsWhenAsked { items: items(), reports: Reports::default() });
        made.drive(std::future::pending())
    });
    assert_found(check, Finding::EndNotReported, "Completion");
}

wrong_producer! {
    /// Reports its end, and reports it again in its drop.
    struct ReportsInDrop { items: Vec<u32>, reports: Reports }
    |this, _, store, dst, _| {
        let to = dst.remaining(store).unwrap_or(64).min(this.items.len());
        dst.set_buffer(this.items.drain(..to).collect::<Vec<_>>().into());
        if this.items.is_empty() {
            this.reports.push(Reported::Ended);
            return Poll::Ready(Ok(Dropped));
        }
        Poll::Ready(Ok(Completed))
    }
}

impl Drop for ReportsInDrop {
    fn drop(&mut self) {
        self.reports.push(Reported::Ended);
    }
}

#[test]
fn the_end_is_reported_twice() {
    let check = producer(items(), || {
        let reports = Reports::default();
        let made = Made::new(ReportsInDrop { items: items(), reports: reports.clone() });
        made.reports(move || reports.all())
    });
    assert_found(check, Finding::EndReportedTwice, "Completion");
}

wrong_producer! {
    /// Allocates room for everything that the guest may take.
    struct GuestSized { rx: Rx<u32> }
    |this, _, store, dst, _| {
        let wanted = dst.remaining(store).unwrap_or(64);
        let mut batch = Vec::with_capacity(wanted);
        while batch.len() < wanted && let Ok(item) = this.rx.try_recv() {
            batch.push(item);
        }
        dst.set_buffer(batch.into());
        Poll::Ready(Ok(if this.rx.is_empty() { Dropped } else { Completed }))
    }
}

#[test]
fn a_buffer_is_allocated_by_the_guests_length() {
    let check = producer(items(), ready(|rx| GuestSized { rx })).memory(peak);
    assert_found(check, Finding::GuestSizedMemory, "Bounded memory");
}

#[derive(Debug)]
struct File;

/// Makes the resources of all files at the first read, or on a zero-length read the next one.
struct Ahead {
    files: usize,
    all: bool,
    made: Vec<Resource<File>>,
}

impl wasmtime::component::StreamProducer<ResourceTable> for Ahead {
    type Item = Resource<File>;
    type Buffer = VecBuffer<Resource<File>>;

    fn poll_produce<'a>(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        mut store: wasmtime::StoreContextMut<'a, ResourceTable>,
        mut dst: Destination<'a, Self::Item, Self::Buffer>,
        _: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        let this = self.get_mut();
        let wanted = dst.remaining(&mut store).unwrap_or(64);
        let ahead = if this.all { this.files } else { wanted.max(1).min(this.files) };
        while this.made.len() < ahead {
            this.made.push(store.data_mut().push(File).context("the table is full")?);
        }
        let given: Vec<_> = this.made.drain(..wanted.min(ahead)).collect();
        this.files -= given.len();
        dst.set_buffer(given.into());
        Poll::Ready(Ok(if this.files == 0 { Dropped } else { Completed }))
    }
}

fn resources_of(all: bool) {
    let make = move || Made::new(Ahead { files: 4, all, made: Vec::new() });
    let check = producer_in(ResourceTable::new, vec![0; 4], make)
        .link(|root| {
            root.resource("item", ResourceType::host::<File>(), |mut store, rep| {
                store.data_mut().delete(Resource::<File>::new_own(rep))?;
                Ok(())
            })
        })
        .leftovers(|table| usize::from(!table.is_empty()));
    assert_found(check, Finding::ResourceLeft, "Resources are created on delivery");
}

#[test]
fn resources_are_created_ahead_of_the_guest() {
    resources_of(true);
}

#[test]
fn a_resource_is_created_on_a_zero_length_read() {
    resources_of(false);
}

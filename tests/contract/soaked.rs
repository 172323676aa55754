//! Random schedules find what the short scripts do not reach, and find it again.

use std::task::Poll;

use tokio::sync::mpsc::UnboundedReceiver as Rx;
use wasmtime::component::StreamResult::{Cancelled, Completed, Dropped};
use wasmtime_streams_testing::{Finding, Found, Soak, SoakReport, producer};

use crate::wrong::{batch, fed, items, wrong_producer};

wrong_producer! {
    /// Loses an item on the cancel with this number, and if `hasty` ends on the third poll of an operation for which nothing has
    /// arrived: Wasmtime's own are two. Otherwise it is correct: a zero-length read waits for the next item.
    struct Fails {
        rx: Rx<u32>, next: Option<u32>, cancels: usize, loses_at: usize, waits: usize, hasty: bool,
    }
    |this, cx, store, dst, finish| {
        if finish {
            this.waits = 0;
            this.cancels += 1;
            if this.cancels == this.loses_at {
                let _ = this.rx.try_recv();
            }
            return Poll::Ready(Ok(Cancelled));
        }
        let wanted = dst.remaining(store).unwrap_or(64);
        let waited = std::mem::take(&mut this.waits);
        let mut items = Vec::from_iter(this.next.take());
        if items.len() < wanted.max(1) {
            match batch(&mut this.rx, wanted.max(1) - items.len(), cx) {
                Poll::Ready(Some(more)) => items.extend(more),
                _ if !items.is_empty() => {}
                Poll::Ready(None) => return Poll::Ready(Ok(Dropped)),
                Poll::Pending if waited == 2 && this.hasty => return Poll::Ready(Ok(Dropped)),
                Poll::Pending => {
                    this.waits = waited + 1;
                    return Poll::Pending;
                }
            }
        }
        if wanted == 0 {
            this.next = items.pop();
        }
        dst.set_buffer(items.into());
        Poll::Ready(Ok(Completed))
    }
}

fn make(loses_at: usize, hasty: bool) -> impl Fn(Rx<u32>) -> Fails + Copy {
    move |rx| Fails { rx, next: None, cancels: 0, loses_at, waits: 0, hasty }
}

fn row(loses_at: usize, hasty: bool) -> Soak {
    let make = make(loses_at, hasty);
    Soak::new(7).row("fails", move || vec![producer(items(), fed(make)).boxed()]).schedules(4000)
}

fn assert_found_again(soak: &Soak) -> Finding {
    let report = soak.run(|_| {});
    let Some(Found { row, check, failure, .. }) = report.findings.first() else {
        panic!("nothing was found: {report}");
    };
    let number = failure.number.expect("the number of a schedule");
    let again = soak.replay(row, *check, number).expect("the row").expect_err("nothing was found");
    assert_eq!((again.finding, &again.script), (failure.finding, &failure.script));
    failure.finding
}

#[test]
fn an_item_that_is_lost_on_the_fourth_cancel_is_found_by_random_schedules_alone() {
    producer(items(), fed(make(4, false))).random(0).assert();
    assert_eq!(assert_found_again(&row(4, false)), Finding::LostOnCancel);
}

#[test]
fn an_end_on_a_poll_without_a_cause_is_found_by_random_schedules_alone() {
    producer(items(), fed(make(0, true))).random(0).assert();
    assert_eq!(assert_found_again(&row(0, true)), Finding::LostAtEnd);
}

#[test]
fn a_correct_implementation_passes_all_schedules_and_they_are_counted() {
    let report: SoakReport = row(0, false).run(|_| {});
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.report.scripts, report.rows[0].schedules), (4000, 4000));
}

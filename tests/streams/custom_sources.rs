//! Item sources and delivery steps written by a user, which do what no adapter does.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use wasmtime::{Result, StoreContextMut};
use wasmtime_streams::{EndReason, ItemProducer, ItemSource, Then, items::Deliver};

use crate::support::guest::{Code, World, with_guest, with_trapping_guest};

/// A delivery step that drops even numbers.
struct Odd;

impl Deliver<World, u32> for Odd {
    type Wire = u32;

    fn deliver(&mut self, _: StoreContextMut<'_, World>, item: u32) -> Result<u32> {
        Ok(item)
    }

    fn deliver_all(
        &mut self,
        _: StoreContextMut<'_, World>,
        items: Vec<u32>,
        out: &mut Vec<u32>,
    ) -> Result<()> {
        out.extend(items.into_iter().filter(|item| item % 2 == 1));
        Ok(())
    }
}

/// Gives one step a poll: an item, or nothing.
struct Steps {
    steps: Vec<Option<u32>>,
    then: Then,
}

impl ItemSource for Steps {
    type Item = u32;
    type Error = Infallible;

    fn poll_items(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: usize,
        out: &mut Vec<u32>,
    ) -> Poll<std::result::Result<Then, Infallible>> {
        Poll::Ready(Ok(match self.steps.pop() {
            Some(item) => {
                out.extend(item);
                self.then
            }
            None => Then::End(EndReason::Finished),
        }))
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}

/// A source of `items`, with `empty` empty steps after each.
fn steps(items: &[u32], empty: usize, then: Then) -> Steps {
    let mut steps = Vec::new();
    for item in items {
        steps.push(Some(*item));
        steps.extend(std::iter::repeat_n(None, empty));
    }
    steps.reverse();
    Steps { steps, then }
}

fn numbers(bytes: Vec<u8>) -> Vec<u32> {
    bytes.chunks(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect()
}

#[test]
fn a_delivery_step_that_drops_items_does_not_stop_the_stream() {
    // Rule "No empty completions": however many steps are empty, the operation is polled again.
    for then in [Then::More, Then::Stop] {
        for empty in [0, 1, 62, 63, 64, 65, 127, 128, 1000] {
            for completion in [false, true] {
                with_guest::<u32, _>(async |guest| {
                    let source = steps(&[2, 4, 5, 6, 7, 8], empty, then);
                    let producer = ItemProducer::new(source);
                    let (stream, done) = if completion {
                        let (producer, done) = producer.deliver_by(Odd).with_completion();
                        (guest.source(producer).await, Some(done))
                    } else {
                        (guest.source(producer.deliver_by(Odd)).await, None)
                    };
                    let mut all = Vec::new();
                    loop {
                        let (code, bytes) = guest.recv(stream, 9).await;
                        all.extend(numbers(bytes));
                        match code {
                            Code::Completed(n) => assert!(n > 0),
                            code => {
                                assert!(matches!(code, Code::Dropped(_)));
                                break;
                            }
                        }
                    }
                    assert_eq!(all, [5, 7], "{then:?}, {empty}, {completion}");
                    if let Some(done) = done {
                        assert!(done.await.end.is_finished());
                    }
                });
            }
        }
    }
}

/// A source that shortens the vector to which it should append.
struct TakesBack {
    given: u32,
    /// The length after it.
    keeps: usize,
    then: Then,
}

impl ItemSource for TakesBack {
    type Item = u32;
    type Error = Infallible;

    fn poll_items(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: usize,
        out: &mut Vec<u32>,
    ) -> Poll<std::result::Result<Then, Infallible>> {
        self.given += 1;
        Poll::Ready(Ok(match self.given {
            1 | 2 => {
                out.extend([self.given; 3]);
                Then::More
            }
            3 => {
                out.truncate(self.keeps);
                self.then
            }
            _ => Then::End(EndReason::Finished),
        }))
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}

#[test]
fn a_source_that_shortens_the_vector_traps_with_an_error_that_names_the_method() {
    // Rule "No traps, no panics": a source that breaks its trait is an exception.
    let mut wrong = Vec::new();
    for then in [Then::More, Then::Stop, Then::End(EndReason::Finished)] {
        for keeps in [0, 2, 5] {
            for completion in [false, true] {
                let run = || {
                    with_trapping_guest::<u32, _>(async |guest| {
                        let source = TakesBack { given: 0, keeps, then };
                        let producer = ItemProducer::new(source);
                        let stream = if completion {
                            let (producer, done) = producer.with_completion();
                            drop(done);
                            guest.source(producer).await
                        } else {
                            guest.source(producer).await
                        };
                        guest.recv(stream, 100).await;
                    })
                };
                let message = match std::panic::catch_unwind(run) {
                    Ok(error) => format!("{error:?}"),
                    Err(_) => "a panic".to_owned(),
                };
                if !message.contains("poll_items") {
                    wrong.push(format!(
                        "{then:?}, {keeps} kept, completion {completion}: {message}"
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_source_that_shortens_the_vector_does_not_make_the_count_wrap() {
    // Rule "No traps, no panics": the completion resolves with a possible count.
    let mut kept = None;
    let run = std::panic::AssertUnwindSafe(|| {
        with_trapping_guest::<u32, _>(async |guest| {
            let source = TakesBack { given: 0, keeps: 0, then: Then::More };
            let (producer, done) = ItemProducer::new(source).with_completion();
            kept = Some(done);
            let stream = guest.source(producer).await;
            guest.recv(stream, 100).await;
        })
    });
    assert!(std::panic::catch_unwind(run).is_ok(), "a panic");
    let done = wasmtime_streams_testing::executor::run(kept.unwrap());
    assert!(done.moved <= 6, "{} moved", done.moved);
    assert!(!done.end.is_finished(), "{:?}", done.end);
}

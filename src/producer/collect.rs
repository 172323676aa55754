//! Takes items from a source: for a read, and for zero-length reads.

use std::pin::Pin;
use std::task::{Context, Poll};

use wasmtime::format_err;

use super::{Polled, State, layers_end};
use crate::layer::{ActiveLayers, at_most};
use crate::limits::EMPTY_STEPS;
use crate::place::{LookAhead, StreamState};
use crate::{EndReason, ItemSource, Then};

/// Rule "Fill each operation": appends to `items` until there are `max`.
#[inline(always)]
pub(super) fn collect<S: ItemSource, L: ActiveLayers<S::Item>>(
    mut source: Pin<&mut S>,
    layers: &mut L,
    cx: &mut Context<'_>,
    max: usize,
    items: &mut Vec<S::Item>,
) -> Polled<S::Error> {
    for _ in 0..EMPTY_STEPS {
        loop {
            let before = items.len();
            let room = at_most(layers.allowance(), max - before);
            let answer = source.as_mut().poll_items(cx, room, items);
            let Some(new) = items.get(before..) else { return shortened(before, items.len()) };
            layers.passed(new);
            let over = layers.allowance() == 0;
            match answer {
                Poll::Ready(Err(error)) => return Polled::Failed(error),
                Poll::Ready(Ok(Then::End(reason))) => return Polled::End(reason),
                _ if over => return Polled::End(EndReason::LimitReached),
                Poll::Pending => return Polled::Pending,
                Poll::Ready(Ok(_)) if items.len() >= max => return Polled::Some,
                Poll::Ready(Ok(Then::Stop)) if !items.is_empty() => return Polled::Some,
                Poll::Ready(Ok(_)) if items.len() == before => break,
                Poll::Ready(Ok(_)) => {}
            }
        }
    }
    if items.is_empty() {
        cx.waker().wake_by_ref();
    }
    Polled::Pending
}

#[cold]
fn shortened<E>(before: usize, after: usize) -> Polled<E> {
    Polled::Broken(format_err!(
        "ItemSource::poll_items left {after} of the {before} items that it was handed: it may only append"
    ))
}

/// A zero-length read, or the first other read after one.
#[cold]
#[inline(never)]
pub(super) fn poll_slow<S: ItemSource>(
    state: &mut State,
    mut source: Pin<&mut S>,
    stream: &mut StreamState<S::Item, S::Error>,
    cx: &mut Context<'_>,
    max: usize,
    items: &mut Vec<S::Item>,
) -> Polled<S::Error> {
    let StreamState { layers, ahead, .. } = stream;
    let layers = &mut layers.entered();
    if let Some(reason) = layers_end(layers, cx) {
        return Polled::End(reason);
    }
    if max == 0 {
        if ahead.is_some() {
            return Polled::Some;
        }
        let readable = source.as_mut().poll_readable(cx);
        return state.zero_length_read(ahead, readable, || look_ahead(source, cx));
    }
    *state = State::Open;
    if let Some(LookAhead { item, then }) = ahead.take().map(|ahead| *ahead) {
        items.push(item);
        layers.passed(items);
        match then {
            Err(error) => return Polled::Failed(error),
            Ok(Then::End(reason)) => return Polled::End(reason),
            _ if layers.allowance() == 0 => return Polled::End(EndReason::LimitReached),
            Ok(Then::More) if max > 1 => {}
            _ => return Polled::Some,
        }
    }
    collect(source, layers, cx, max, items)
}

/// Looks ahead by one item.
fn look_ahead<S: ItemSource>(
    mut source: Pin<&mut S>,
    cx: &mut Context<'_>,
) -> Result<LookAhead<S::Item, S::Error>, Polled<S::Error>> {
    let mut items = Vec::new();
    for _ in 0..EMPTY_STEPS {
        let answer = source.as_mut().poll_items(cx, 1, &mut items);
        if items.len() > 1 {
            let n = items.len();
            return Err(Polled::Broken(format_err!(
                "ItemSource::poll_items appended {n} items where 1 was asked for"
            )));
        }
        match (items.pop(), answer) {
            (Some(item), Poll::Ready(then)) => return Ok(LookAhead { item, then }),
            (Some(item), Poll::Pending) => return Ok(LookAhead { item, then: Ok(Then::Stop) }),
            (None, Poll::Pending) => return Err(Polled::Pending),
            (None, Poll::Ready(Err(error))) => return Err(Polled::Failed(error)),
            (None, Poll::Ready(Ok(Then::End(reason)))) => return Err(Polled::End(reason)),
            (None, Poll::Ready(Ok(_))) => {}
        }
    }
    cx.waker().wake_by_ref();
    Err(Polled::Pending)
}

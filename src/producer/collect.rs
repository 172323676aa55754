//! How items are taken from a source: by a read, and by zero-length reads.

use std::pin::Pin;
use std::task::{Context, Poll};

use wasmtime::format_err;

use super::{Seen, State, over};
use crate::layer::{Ask, at_most};
use crate::limits::EMPTY_STEPS;
use crate::place::{Ahead, Beside};
use crate::{EndReason, ItemSource, Then};

/// Rule "Fill each operation": as far as is free, up to `max` items, after those that are there.
#[inline(always)]
pub(super) fn collect<S: ItemSource, L: Ask<S::Item>>(
    mut source: Pin<&mut S>,
    layers: &mut L,
    cx: &mut Context<'_>,
    max: usize,
    items: &mut Vec<S::Item>,
) -> Seen<S::Error> {
    for _ in 0..EMPTY_STEPS {
        loop {
            let before = items.len();
            let room = at_most(layers.allowance(), max - before);
            let answer = source.as_mut().poll_items(cx, room, items);
            let Some(new) = items.get(before..) else { return shortened(before, items.len()) };
            layers.passed(new);
            let over = layers.allowance() == 0;
            match answer {
                Poll::Ready(Err(error)) => return Seen::Failed(error),
                Poll::Ready(Ok(Then::End(reason))) => return Seen::End(reason),
                _ if over => return Seen::End(EndReason::LimitReached),
                Poll::Pending => return Seen::Pending,
                Poll::Ready(Ok(_)) if items.len() >= max => return Seen::Some,
                Poll::Ready(Ok(Then::Stop)) if !items.is_empty() => return Seen::Some,
                Poll::Ready(Ok(_)) if items.len() == before => break,
                Poll::Ready(Ok(_)) => {}
            }
        }
    }
    if items.is_empty() {
        cx.waker().wake_by_ref();
    }
    Seen::Pending
}

#[cold]
fn shortened<E>(before: usize, after: usize) -> Seen<E> {
    Seen::Broken(format_err!(
        "ItemSource::poll_items left {after} of the {before} items that it was handed: it may only append"
    ))
}

/// A zero-length read, or the first read after one.
#[cold]
#[inline(never)]
pub(super) fn ask<S: ItemSource>(
    state: &mut State,
    mut source: Pin<&mut S>,
    beside: &mut Beside<S::Item, S::Error>,
    cx: &mut Context<'_>,
    max: usize,
    items: &mut Vec<S::Item>,
) -> Seen<S::Error> {
    let Beside { layers, ahead, .. } = beside;
    let layers = &mut layers.within();
    if let Some(reason) = over(layers, cx) {
        return Seen::End(reason);
    }
    if max == 0 {
        if ahead.is_some() {
            return Seen::Some;
        }
        let readable = source.as_mut().poll_readable(cx);
        return state.ask(ahead, readable, || look_ahead(source, cx));
    }
    *state = State::Open;
    if let Some(Ahead { item, then }) = ahead.take().map(|ahead| *ahead) {
        items.push(item);
        layers.passed(items);
        match then {
            Err(error) => return Seen::Failed(error),
            Ok(Then::End(reason)) => return Seen::End(reason),
            _ if layers.allowance() == 0 => return Seen::End(EndReason::LimitReached),
            Ok(Then::More) if max > 1 => {}
            _ => return Seen::Some,
        }
    }
    collect(source, layers, cx, max, items)
}

/// The next item.
fn look_ahead<S: ItemSource>(
    mut source: Pin<&mut S>,
    cx: &mut Context<'_>,
) -> Result<Ahead<S::Item, S::Error>, Seen<S::Error>> {
    let mut items = Vec::new();
    for _ in 0..EMPTY_STEPS {
        let answer = source.as_mut().poll_items(cx, 1, &mut items);
        if items.len() > 1 {
            let n = items.len();
            return Err(Seen::Broken(format_err!(
                "ItemSource::poll_items appended {n} items where 1 was asked for"
            )));
        }
        match (items.pop(), answer) {
            (Some(item), Poll::Ready(then)) => return Ok(Ahead { item, then }),
            (Some(item), Poll::Pending) => return Ok(Ahead { item, then: Ok(Then::Stop) }),
            (None, Poll::Pending) => return Err(Seen::Pending),
            (None, Poll::Ready(Err(error))) => return Err(Seen::Failed(error)),
            (None, Poll::Ready(Ok(Then::End(reason)))) => return Err(Seen::End(reason)),
            (None, Poll::Ready(Ok(_))) => {}
        }
    }
    cx.waker().wake_by_ref();
    Err(Seen::Pending)
}

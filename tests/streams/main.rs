//! The contract over every adapter, with real guests in both directions.
//!
//! A test is named after what holds. Its first line cites the rule of docs/contract.md.
// Helpers are shared with other targets.
#![allow(unreachable_pub)]

#[path = "../support/mod.rs"]
mod support;

/// The two methods of an `ItemSink` or `ByteSink` that buffers nothing and cannot fail.
macro_rules! unbuffered {
    () => {
        fn poll_flush(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Result<(), End<Infallible>>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Result<(), End<Infallible>>> {
            Poll::Ready(Ok(()))
        }
    };
}

/// Starts a write, and asserts that it stays parked.
macro_rules! parked {
    ($wait:ident, $guest:ident.write($stream:ident, $len:expr)) => {
        assert_eq!($guest.write($stream, $len).await, Code::Blocked);
        let mut $wait = Box::pin($guest.wait($stream));
        assert_eq!($guest.parked(&mut $wait).await, None);
    };
}

mod abandoned;
mod addresses;
mod after_the_end;
mod auto_traits;
mod blocking;
mod body_ends;
mod budget;
mod cancel_codes;
mod cancelled_polls;
mod channels;
mod channels_to_many;
mod closures;
mod codec;
mod collecting;
mod completion;
mod completion_dropped;
mod consuming;
mod consuming_items;
mod custom_sinks;
mod custom_sources;
mod cut_handovers;
mod cuts;
mod dead_runtimes;
mod driven_ends;
mod driven_objects;
mod dropped_drives;
mod dropped_futures;
mod dropped_stores;
mod dropped_writers;
mod ends_with_the_last;
mod errors_after_items;
mod failed_halves;
mod from_guest;
mod from_guest_ends;
mod from_guest_select;
mod full_table;
mod half_frames;
mod handed_back;
mod handed_over;
mod handed_over_cuts;
mod handed_over_values;
mod handed_over_writers;
mod handles;
mod handles_guest;
mod handles_owners;
mod handles_resources;
mod handles_wire;
mod heap_batches;
mod host_to_host;
mod idle_ends;
mod iterators;
mod kept_items;
mod layer_order;
mod leaving_readers;
mod limits;
mod look_ahead;
mod lost_cancels;
mod nested;
mod nested_ends;
mod nested_relay;
mod panics;
mod peekable;
mod producing;
mod producing_ends;
mod producing_items;
mod queue_places;
mod races;
mod reentrancy;
mod relay;
mod relay_bounds;
mod relay_ends;
mod resources;
mod result_futures;
mod settings_after_layers;
mod spans;
mod splice;
mod splice_refused;
mod timeouts;
mod to_guest;
mod trailers;
mod until;
mod value_ends;
mod values;
mod wakers;
mod watching;
mod wit;
mod zero_length_ends;

use support::guest::Code;
use support::script::Step;
use wasmtime_streams_testing as testing;

/// The guest's buffer sizes.
const BUFFERS: [u32; 6] = [1, 2, 7, 4096, 65536, 1 << 20];

/// Bytes that differ from their neighbours.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i.wrapping_mul(31) ^ (i >> 8) ^ (i >> 16)) as u8).collect()
}

/// `data` in parts of many sizes around `buffer`, with empty parts and spurious `Pending`s in between.
fn uneven(data: &[u8], buffer: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = data;
    for size in [1, buffer, 3, buffer / 2 + 1, buffer + 3].into_iter().cycle() {
        if rest.is_empty() {
            return steps;
        }
        let (part, after) = rest.split_at(size.min(rest.len()));
        steps.extend([Step::Data(part.to_vec()), Step::Empty, Step::Pending]);
        rest = after;
    }
    steps
}

/// One byte a step, with `between` before each byte whose bit is set in `mask`, and before the end.
fn interleaved(data: &[u8], mask: usize, between: Step) -> Vec<Step> {
    let mut steps = Vec::new();
    for (i, byte) in data.iter().enumerate() {
        if mask & (1 << i) != 0 {
            steps.push(between.clone());
        }
        steps.push(Step::Data(vec![*byte]));
    }
    if mask & (1 << data.len()) != 0 {
        steps.push(between);
    }
    steps
}

/// Reads until the stream ends, `buffer` bytes at a time.
async fn read_to_end<D: Send + 'static>(
    guest: &testing::Guest<'_, D, u8>,
    stream: u32,
    buffer: u32,
) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let (code, bytes) = guest.recv(stream, buffer).await;
        all.extend(bytes);
        match code {
            Code::Completed(n) => assert!(n > 0, "a read completed with nothing"),
            Code::Dropped(_) => return all,
            code => panic!("unexpected {code:?}"),
        }
    }
}

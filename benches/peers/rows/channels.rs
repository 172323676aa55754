//! Items to and from tokio channels, with a task of the same thread at the other end.

use tokio_util::sync::PollSender;
use wasmtime::Result;
use wasmtime_streams as ours;

use crate::Bench;
use crate::by_hand::{OneRead, OneWrite};
use crate::channel::{ChannelSide, items};
use crate::measure::Subject;

pub(crate) fn channels(bench: &mut Bench) -> Result<()> {
    let side = ChannelSide::new(&bench.engine, 256)?;
    let subject = |name, peer, floor| Subject::new(name, peer, floor).unit("item");
    bench.compare(
        subject("channel-in-256", "one-by-one", 5.0),
        &mut |n| side.read(n, ours::channels::mpsc_receiver),
        &mut |n| side.read(n, |receiver| OneRead(items(receiver))),
    )?;
    bench.compare(
        subject("channel-out-256", "one-by-one", 5.0),
        &mut |n| side.write(n, ours::channels::mpsc_sender),
        &mut |n| side.write(n, |sender| OneWrite::new(PollSender::new(sender))),
    )?;
    bench.compare(
        subject("channel-in-limit-256", "channel", 0.0),
        &mut |n| side.read(n, ours::channels::mpsc_receiver),
        &mut |n| side.plain(n),
    )?;
    bench.compare(
        subject("channel-out-limit-256", "channel", 0.0),
        &mut |n| side.write(n, ours::channels::mpsc_sender),
        &mut |n| side.plain(n),
    )
}

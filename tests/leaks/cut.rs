//! Opens a stream over a real object, moves a part of its data, and cuts it.

use std::io;
use std::time::Duration;

use futures::channel::mpsc;
use futures::future::{BoxFuture, FutureExt as _, ready};
use futures::stream;
use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use wasmtime_streams::from_guest::{self, GuestItems, GuestReader};
use wasmtime_streams::{CancelHandle, Completion, End, Flush, sinks, streams, tokio_io};
use wasmtime_streams_testing::{Code, Guest};

use crate::kinds::{Completes, Cut, Plan};
use crate::{Random, World};

/// The other side of the object, held by the host. Dropping it may be the cut.
#[allow(dead_code)] // held for its drop
enum Peer {
    None,
    Socket(UnixStream),
    Pipe(DuplexStream),
    Sender(mpsc::UnboundedSender<io::Result<u8>>),
    Receiver(mpsc::UnboundedReceiver<u8>),
    Full(mpsc::Receiver<u8>),
    Reader(GuestReader),
    Items(GuestItems<u8>),
}

/// An open stream.
pub(crate) struct Open {
    plan: Plan,
    handle: u32,
    peer: Peer,
    token: CancellationToken,
    cancel: Option<CancelHandle>,
    ended: BoxFuture<'static, String>,
}

fn name<E>(end: &End<E>) -> String {
    let name = match end {
        End::Finished => "finished",
        End::PeerDropped => "peer dropped",
        End::ReceiverDropped => "receiver dropped",
        End::Abandoned => "abandoned",
        End::Cancelled => "cancelled",
        End::TimedOut => "timed out",
        End::LimitReached => "limit reached",
        End::Failed(_) => "failed",
        _ => "another end",
    };
    name.to_owned()
}

/// Awaits the completion, drops it, or has it driven.
fn awaited<S, E>(done: Completion<S, E>, completes: Completes) -> BoxFuture<'static, String>
where
    S: Unpin + Send + 'static,
    E: Send + 'static,
{
    match completes {
        Completes::Awaited => done.map(|done| name(&done.end)).boxed(),
        Completes::Dropped => ready("not awaited".to_owned()).boxed(),
        Completes::Driven => {
            let driven = done.driven_by(|task| drop(tokio::spawn(task)));
            driven.map(|done| name(&done.unwrap().end)).boxed()
        }
    }
}

/// Puts the layer that cuts the stream around a producer or consumer, and gives it to the guest.
macro_rules! open {
    ($guest:ident, $plan:ident, $peer:expr, $object:expr, $give:ident) => {{
        let (object, token) = ($object, CancellationToken::new());
        let (handle, cancel, ended) = match $plan.cut {
            Cut::Limit => open!(@ $guest, $plan, object.limit($plan.at.into()), $give),
            Cut::Token => open!(@ $guest, $plan, object.cancel_on(token.clone()), $give),
            Cut::Deadline => {
                let deadline = Instant::now() + Duration::from_millis($plan.at.into());
                open!(@ $guest, $plan, object.deadline(deadline), $give)
            }
            _ => open!(@ $guest, $plan, object, $give),
        };
        Open { plan: $plan, handle, peer: $peer, token, cancel: Some(cancel), ended }
    }};
    (@ $guest:ident, $plan:ident, $object:expr, $give:ident) => {{
        let (object, done) = $object.with_completion();
        let cancel = done.cancel_handle();
        ($guest.$give(object).await, cancel, awaited(done, $plan.completes))
    }};
}

async fn source(guest: &Guest<'_, World, u8>, plan: Plan) -> Open {
    let len = if plan.cut == Cut::Error { plan.at } else { plan.len };
    if plan.items {
        let (tx, rx) = mpsc::unbounded();
        (0..len).for_each(|n| tx.unbounded_send(Ok(n as u8)).unwrap());
        let peer = match plan.cut {
            Cut::Data => Peer::None,
            Cut::Error => {
                tx.unbounded_send(Err(io::Error::other("on purpose"))).unwrap();
                Peer::None
            }
            _ => Peer::Sender(tx),
        };
        open!(guest, plan, peer, streams::try_items(rx), source)
    } else if plan.cut == Cut::Error {
        let chunks = [Ok(bytes::Bytes::from(vec![0; len as usize])), Err("on purpose")];
        open!(guest, plan, Peer::None, streams::try_chunks(stream::iter(chunks)), source)
    } else {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(&vec![0; len as usize]).await.unwrap();
        let peer = if plan.cut == Cut::Data { Peer::None } else { Peer::Socket(theirs) };
        open!(guest, plan, peer, tokio_io::read(ours), source)
    }
}

async fn into_sink(guest: &Guest<'_, World, u8>, plan: Plan) -> Open {
    match (plan.items, is_full(&plan)) {
        (true, true) => {
            let (tx, rx) = mpsc::channel(4);
            open!(
                guest,
                plan,
                Peer::Full(rx),
                sinks::items::<_, u8>(tx).flush(Flush::OnClose),
                sink
            )
        }
        (true, false) => {
            let (tx, rx) = mpsc::unbounded();
            open!(guest, plan, Peer::Receiver(rx), sinks::items::<_, u8>(tx), sink)
        }
        (false, true) => {
            let (ours, theirs) = duplex(16);
            open!(guest, plan, Peer::Pipe(theirs), tokio_io::write(ours), sink)
        }
        (false, false) => {
            let (ours, theirs) = UnixStream::pair().unwrap();
            open!(guest, plan, Peer::Socket(theirs), tokio_io::write(ours), sink)
        }
    }
}

/// Whether the object has room for a few bytes only, so that the guest's write waits.
fn is_full(plan: &Plan) -> bool {
    plan.parked && !matches!(plan.cut, Cut::Data | Cut::Limit)
}

async fn reader(guest: &Guest<'_, World, u8>, plan: Plan) -> Open {
    let (reader, handle) = guest.stream().await;
    let capacity = if plan.parked { 16 } else { 8192 };
    let peer = guest.with(|store| match plan.items {
        true => Peer::Items(from_guest::items(store, reader, capacity).unwrap()),
        false => Peer::Reader(from_guest::reader(store, reader, capacity).unwrap()),
    });
    let ended = ready("reader without a completion".to_owned()).boxed();
    Open { plan, handle, peer, token: CancellationToken::new(), cancel: None, ended }
}

pub(crate) async fn open(guest: &Guest<'_, World, u8>, plan: Plan) -> Open {
    match plan.cut {
        Cut::Reader => reader(guest, plan).await,
        _ if plan.source => source(guest, plan).await,
        _ => into_sink(guest, plan).await,
    }
}

impl Open {
    async fn start(&self, guest: &Guest<'_, World, u8>, n: u32) -> Code {
        match self.plan.source {
            true => guest.read(self.handle, n).await,
            false => guest.write(self.handle, n).await,
        }
    }

    /// Moves data up to the cut. Returns the answer to the last operation.
    async fn run(&self, guest: &Guest<'_, World, u8>, random: &mut Random) -> Code {
        let Plan { cut, source, parked, len, at, .. } = self.plan;
        let to_the_end = cut == Cut::Data || (parked && cut != Cut::Limit);
        let mut left = if to_the_end { len } else { at };
        let mut last = Code::Completed(0);
        // A source is read once more, to see its end or to wait. A sink with room for everything is not written once
        // more.
        while left > 0 || (to_the_end && source) {
            let n = 1 + random.below(500) as u32;
            last = self.start(guest, if left > 0 { n.min(left) } else { n }).await;
            if last == Code::Blocked && (left == 0 && cut != Cut::Data || is_full_or_reader(self)) {
                return last;
            }
            if last == Code::Blocked {
                last = guest.wait(self.handle).await;
            }
            left -= last.count();
            if !matches!(last, Code::Completed(_)) {
                return last;
            }
        }
        last
    }

    /// Lets the guest use the stream, cuts it, and drops everything that is left of it.
    pub(crate) async fn end(mut self, guest: &Guest<'_, World, u8>, random: &mut Random) -> String {
        let mut last = self.run(guest, random).await;
        let Plan { cut, source, .. } = self.plan;
        match cut {
            Cut::Data | Cut::Guest | Cut::Limit => {}
            Cut::Cancel => self.cancel.iter().for_each(CancelHandle::cancel),
            Cut::Token => self.token.cancel(),
            Cut::Deadline => sleep(Duration::from_secs(4)).await,
            Cut::Error | Cut::Reader => self.peer = Peer::None,
        }
        if last == Code::Blocked {
            last = match (cut, source) {
                (Cut::Guest, true) => guest.cancel_read(self.handle).await,
                (Cut::Guest, false) => guest.cancel_write(self.handle).await,
                _ => guest.wait(self.handle).await,
            };
        }
        // The guest sees the cut, or drops its end without another operation.
        let checks = !matches!(cut, Cut::Data | Cut::Guest) && random.chance();
        while checks && matches!(last, Code::Completed(_)) {
            last = match self.start(guest, 9).await {
                Code::Blocked => guest.wait(self.handle).await,
                code => code,
            };
        }
        match source {
            true => guest.drop_readable(self.handle).await,
            false => guest.drop_writable(self.handle).await,
        }
        // A full sink cannot be closed until somebody receives or leaves.
        self.peer = Peer::None;
        self.ended.await
    }
}

fn is_full_or_reader(open: &Open) -> bool {
    !open.plan.source && (is_full(&open.plan) || open.plan.cut == Cut::Reader)
}

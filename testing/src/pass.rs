//! The guest passes its end of a stream to the host, which may take it apart, and gets one back.

use std::fmt;

use wasmtime::StoreContextMut;
use wasmtime::component::{StreamProducer, StreamReader};

use super::check::Check;
use super::probe::{Probe, SharedSeen};
use super::role::StreamOut;
use super::session::{Session, Side};
use super::{Finding, Item};

type Hook<D, T> = Box<
    dyn Fn(
        StoreContextMut<'_, D>,
        StreamReader<T>,
        SharedSeen,
    ) -> wasmtime::Result<StreamReader<T>>,
>;

/// What the host does with a stream that the guest passes to it.
pub(super) struct Passes<D: 'static, T>(Hook<D, T>);

impl<D, T> fmt::Debug for Passes<D, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passes")
    }
}

impl<D: Send + 'static, T: Item, P: StreamProducer<D, Item = T>> Check<D, T, StreamOut<P>> {
    /// What the host does with the stream when the guest [passes](super::Op::Pass) its end to it: takes its source out
    /// ([`StreamReader::try_into`]), pipes it elsewhere, relays it. What goes on in its place is returned; `Err` gives
    /// the stream back as it is, which is what happens without this.
    pub fn passes<Q>(
        mut self,
        pass: impl Fn(StoreContextMut<'_, D>, StreamReader<T>) -> Result<Q, StreamReader<T>> + 'static,
    ) -> Self
    where
        Q: StreamProducer<D, Item = T>,
    {
        self.passes = Some(Passes(Box::new(move |mut store, reader, seen| {
            match pass(wasmtime::AsContextMut::as_context_mut(&mut store), reader) {
                Ok(producer) => StreamReader::new(store, Probe::new(producer, seen)),
                Err(reader) => Ok(reader),
            }
        })));
        self
    }
}

impl<D: Send + 'static, T: Item> Session<'_, '_, D, T> {
    pub(super) async fn pass(&mut self) {
        // A guest cannot pass an end with a pending operation, or one that has seen the end.
        if self.side != Side::Reads || self.pending.is_some() || self.ended || self.dropped {
            return;
        }
        self.log.trace("the guest passes its end to the host, and gets it back".to_owned());
        let reader = self.guest.give(self.handle).await;
        let reader = match self.passes {
            None => Ok(reader),
            Some(Passes(pass)) => self.guest.with(|store| pass(store, reader, self.seen.clone())),
        };
        match reader {
            Ok(reader) => self.handle = self.guest.take(reader).await,
            Err(error) => {
                self.log
                    .report(Finding::Trapped, format!("the stream cannot be passed on: {error}"));
                self.dropped = true;
            }
        }
        // Whether something is ready is asked anew.
        self.readiness_checks = 0;
    }
}

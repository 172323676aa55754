//! The streams of a guest over shared objects.

use std::pin::Pin;
use std::task::{Context, Poll};

use wasmtime::component::{
    Destination, Source, StreamConsumer, StreamProducer, StreamResult, VecBuffer,
};
use wasmtime::{Result, StoreContextMut};

use super::object::{Input, Output};
use super::shared::Opened;
use crate::limits::HOST_CAPACITY;

pub(super) struct Reading(pub(super) Opened<dyn Input>);

impl<D: 'static> StreamProducer<D> for Reading {
    type Item = u8;
    type Buffer = VecBuffer<u8>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'a, D>,
        destination: Destination<'a, u8, Self::Buffer>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        if finish {
            self.0.cancel();
            return Poll::Ready(Ok(StreamResult::Cancelled));
        }
        let mut direct = destination.as_direct(store, HOST_CAPACITY);
        let mut produced = 0;
        let buf = direct.remaining();
        let answer = self.0.poll(cx, |input, cx| input.poll_read(cx, buf, &mut produced));
        if produced > 0 {
            direct.mark_written(produced);
        }
        answer
    }
}

pub(super) struct Writing(pub(super) Opened<dyn Output>);

impl<D: 'static> StreamConsumer<D> for Writing {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        if finish {
            self.0.cancel();
            return Poll::Ready(Ok(StreamResult::Cancelled));
        }
        let mut direct = source.as_direct(store);
        self.0.poll(cx, |output, cx| output.poll_write(cx, &mut direct))
    }
}

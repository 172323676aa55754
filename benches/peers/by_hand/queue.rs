//! The smallest possible hand-over between two stores: a queue of blocks under a lock, and nothing else.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use wasmtime::component::{
    Destination, Source, StreamConsumer, StreamProducer, StreamResult, VecBuffer,
};
use wasmtime::{Result, StoreContextMut};

use crate::host::Block;

/// A block, and how many of its bytes were written.
type Chunk = (Block, usize);

struct State {
    chunks: VecDeque<Chunk>,
    spares: Vec<Block>,
    closed: bool,
    writer: Option<Waker>,
    reader: Option<Waker>,
}

/// Queues each guest write as a block.
pub(crate) struct QueueWrite(Arc<Mutex<State>>);

/// Answers each guest read with a block. No read may be shorter than the block's write.
pub(crate) struct QueueRead {
    state: Arc<Mutex<State>>,
    read: Option<Block>,
}

/// A queue of `blocks` blocks of `len` bytes, the length of an operation.
pub(crate) fn queue(blocks: usize, len: usize) -> (QueueWrite, QueueRead) {
    let state = Arc::new(Mutex::new(State {
        chunks: VecDeque::with_capacity(blocks),
        spares: (0..blocks).map(|_| Block::new(len)).collect(),
        closed: false,
        writer: None,
        reader: None,
    }));
    (QueueWrite(state.clone()), QueueRead { state, read: None })
}

impl Drop for QueueWrite {
    fn drop(&mut self) {
        let mut state = self.0.lock().unwrap();
        state.closed = true;
        if let Some(reader) = state.reader.take() {
            drop(state);
            reader.wake();
        }
    }
}

impl<D: 'static> StreamConsumer<D> for QueueWrite {
    type Item = u8;

    fn poll_consume(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        if finish {
            return Poll::Ready(Ok(StreamResult::Cancelled));
        }
        let mut direct = source.as_direct(store);
        let bytes = direct.remaining();
        if bytes.is_empty() {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        let mut state = self.0.lock().unwrap();
        let Some(mut block) = state.spares.pop() else {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        };
        let n = bytes.len().min(block.len());
        block[..n].copy_from_slice(&bytes[..n]);
        state.chunks.push_back((block, n));
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
        direct.mark_read(n);
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

impl<D: 'static> StreamProducer<D> for QueueRead {
    type Item = u8;
    type Buffer = VecBuffer<u8>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'a, D>,
        destination: Destination<'a, u8, VecBuffer<u8>>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        if finish {
            return Poll::Ready(Ok(StreamResult::Cancelled));
        }
        let mut direct = destination.as_direct(store, 64 * 1024);
        let buf = direct.remaining();
        if buf.is_empty() {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        let Self { state, read } = &mut *self;
        let mut state = state.lock().unwrap();
        let writer = read.take().and_then(|block| {
            state.spares.push(block);
            state.writer.take()
        });
        let next = state.chunks.pop_front();
        let closed = state.closed;
        if next.is_none() && !closed {
            state.reader = Some(cx.waker().clone());
        }
        drop(state);
        if let Some(writer) = writer {
            writer.wake();
        }
        match next {
            Some((block, n)) => {
                buf[..n].copy_from_slice(&block[..n]);
                direct.mark_written(n);
                *read = Some(block);
                Poll::Ready(Ok(StreamResult::Completed))
            }
            None if closed => Poll::Ready(Ok(StreamResult::Dropped)),
            None => Poll::Pending,
        }
    }
}

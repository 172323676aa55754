//! The modules can be imported in one file with those of std, tokio and futures: it compiles.

#[allow(unused_imports)]
mod beside_std {
    use std::{collections, future, io, iter, net, sync, task, thread};

    use wasmtime_streams::{
        blocking, body, channels, codec, completion, contract, ends, from_guest, futures_io, guide,
        items, iterators, relay, sinks, sockets, streams, to_guest, tokio_io, transform, values,
    };
}

#[allow(unused_imports)]
mod beside_tokio {
    use tokio::{fs, io, net, pin, process, runtime, select, signal, sync, task, time};

    use wasmtime_streams::{
        blocking, body, channels, codec, completion, contract, ends, from_guest, futures_io, guide,
        items, iterators, relay, sinks, sockets, streams, to_guest, tokio_io, transform, values,
    };
}

#[allow(unused_imports)]
mod beside_futures {
    use futures::{channel, executor, future, io, lock, ready, sink, stream, task};

    use wasmtime_streams::{
        blocking, body, channels, codec, completion, contract, ends, from_guest, futures_io, guide,
        items, iterators, relay, sinks, sockets, streams, to_guest, tokio_io, transform, values,
    };
}

mod with_everything {
    #[allow(unused_imports)]
    use wasmtime_streams::*;

    /// The crates are still what their names say.
    pub(super) fn crates() -> (tokio::time::Duration, futures::future::Ready<u8>, bytes::Bytes) {
        (std::time::Duration::ZERO, futures::future::ready(1), bytes::Bytes::new())
    }
}

#[test]
fn no_module_shadows_a_crate() {
    assert!(with_everything::crates().0.is_zero());
}

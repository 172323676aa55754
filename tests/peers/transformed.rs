//! `transform`: from an input through a guest to an output, in one call that returns.

use std::future::pending;
use std::io;
use std::time::Duration;

use futures::future::{join, join_all};
use futures::{FutureExt as _, StreamExt as _, stream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use wasmtime::component::{Accessor, Component, Linker, StreamReader, TypedFunc};
use wasmtime::{Engine, Error, Result, Store};
use wasmtime_streams::{
    Cut, End, EndReason, from_guest, iterators, sockets, streams, tokio_io, transform, transform_in,
};

use crate::transform::Transform;

type Upper = TypedFunc<(StreamReader<u8>,), (StreamReader<u8>,)>;

const LONG: Duration = Duration::from_secs(20);

/// The guest of the examples, which upper-cases its input.
async fn upper() -> (Store<()>, Upper) {
    let engine = Engine::default();
    let component = Component::from_file(&engine, "examples/guests/upper.wat").unwrap();
    let mut store = Store::new(&engine, ());
    let guest = Linker::new(&engine).instantiate_async(&mut store, &component).await.unwrap();
    let upper = guest.get_typed_func(&mut store, "transform").unwrap();
    (store, upper)
}

async fn call(
    upper: &Upper,
    store: &Accessor<()>,
    input: StreamReader<u8>,
) -> Result<StreamReader<u8>> {
    Ok(upper.call_concurrent(store, (input,)).await?.0)
}

#[tokio::test]
async fn both_streams_end_and_the_output_is_closed() {
    // Rules "Completion" and "The completion closes the sink".
    let (mut store, upper) = upper().await;
    let (mut reader, writer) = tokio::io::duplex(64);
    let input = tokio_io::read(&b"some text, in parts"[..]);
    let output = tokio_io::write(writer);
    let done =
        transform(&mut store, input, output, async |store, input| call(&upper, store, input).await);
    let mut text = String::new();
    let (done, read) = join(done, reader.read_to_string(&mut text)).await;
    done.result.as_ref().unwrap();
    assert_eq!(read.unwrap(), 19);
    assert_eq!(text, "SOME TEXT, IN PARTS");
    assert!(done.input.end.is_finished() && done.output.end.is_finished(), "{done:?}");
    assert_eq!((done.input.moved, done.output.moved), (19, 19));
}

#[tokio::test]
async fn truncated_input_is_not_passed_on_as_complete() {
    // Rule "Truncated is never complete": the guest takes a failure of its input for the end.
    let (mut store, upper) = upper().await;
    let parts = [Ok(&b"some"[..]), Err(io::Error::other("the disk is gone"))];
    let input = streams::try_chunks(stream::iter(parts));
    let (output, mut reader) = from_guest::consumer(64);
    let done =
        transform(&mut store, input, output, async |store, input| call(&upper, store, input).await);
    let mut text = Vec::new();
    let (done, read) = join(done, reader.read_to_end(&mut text)).await;
    done.result.as_ref().unwrap();
    assert!(matches!(done.input.end, End::Failed(_)), "{done:?}");
    assert!(matches!(done.output.end, End::Undeliverable(_)), "{done:?}");
    let error = read.unwrap_err();
    let cut = error.get_ref().and_then(|error| error.downcast_ref());
    assert_eq!(cut, Some(&Cut(EndReason::Undeliverable)));
    assert_eq!(text, b"SOME", "the data before the failure");
}

#[tokio::test]
async fn a_limit_of_the_input_does_not_close_the_output() {
    // Rule "Truncated is never complete": a limit of the output itself closes it, one of the input truncates the data.
    let (mut store, upper) = upper().await;
    let (mut reader, writer) = tokio::io::duplex(64);
    let input = tokio_io::read(&b"some text"[..]).limit(4);
    let done = transform(&mut store, input, tokio_io::write(writer), async |store, input| {
        call(&upper, store, input).await
    })
    .await;
    done.result.as_ref().unwrap();
    assert!(matches!(done.output.end, End::LimitReached), "{done:?}");
    let mut text = [0; 4];
    reader.read_exact(&mut text).await.unwrap();
    assert_eq!(&text, b"SOME");
    // The writer is in `done`, open; a shutdown would be an end here.
    assert!(reader.read(&mut text).now_or_never().is_none());
    drop(done);
    assert_eq!(reader.read(&mut text).await.unwrap(), 0);
}

#[tokio::test]
async fn it_returns_once_the_output_has_ended() {
    // Rule "Completion": a limit ends the output. The guest that still holds its input is not waited for.
    let (mut store, upper) = upper().await;
    let endless = streams::chunks(stream::repeat(&b"more and more"[..]));
    let output = iterators::collect_bytes(10);
    let done = transform(&mut store, endless, output, async |store, input| {
        call(&upper, store, input).await
    });
    let done = timeout(LONG, done).await.expect("it hangs");
    done.result.as_ref().unwrap();
    assert!(matches!(done.output.end, End::LimitReached), "{done:?}");
    assert!(matches!(done.input.end, End::PeerDropped | End::Cancelled), "{done:?}");
    assert_eq!(done.output.inner.into_inner(), b"MORE AND M");

    // Nobody ever reads the input.
    let input = streams::chunks(stream::pending::<&[u8]>());
    let done = transform(&mut store, input, iterators::collect_bytes(10), async |store, input| {
        let _kept_by_the_store = input; // a reader has no `Drop`
        store.with(|store| StreamReader::new(store, tokio_io::read(&b"done"[..])))
    });
    let done = timeout(LONG, done).await.expect("it hangs");
    done.result.as_ref().unwrap();
    assert!(done.output.end.is_finished(), "{done:?}");
    assert!(matches!(done.input.end, End::Cancelled), "{done:?}");
}

#[tokio::test]
async fn a_deadline_ends_a_call_that_never_returns() {
    let (mut store, _) = upper().await;
    let input = tokio_io::read(&b"hello"[..]);
    let output = iterators::collect_bytes(10).idle_timeout(Duration::from_millis(20));
    let never = async |_: &Accessor<()>, _| pending::<Result<StreamReader<u8>>>().await;
    let done = timeout(LONG, transform(&mut store, input, output, never));
    let done = done.await.expect("it hangs");
    done.result.as_ref().unwrap();
    assert!(matches!(done.output.end, End::TimedOut), "{done:?}");
    assert!(matches!(done.input.end, End::Cancelled), "{done:?}");
}

#[tokio::test]
async fn a_call_that_fails_cuts_the_output() {
    // Rule "Truncated is never complete".
    let (mut store, _) = upper().await;
    let (output, mut items) = from_guest::item_consumer::<u8>(64);
    let input = iterators::items([1_u8, 2]);
    let failed = transform(&mut store, input, output, async |_, _| {
        Err::<StreamReader<u8>, _>(Error::msg("no such export"))
    });
    let failed = failed.await;
    assert_eq!(failed.result.unwrap_err().to_string(), "no such export");
    assert!(matches!(failed.output.end, End::Abandoned));
    assert!(matches!(failed.input.end, End::Abandoned));
    assert_eq!(items.next().await, None);
    assert_eq!(items.cut(), Some(EndReason::Abandoned));
}

#[tokio::test]
async fn a_trap_gives_the_connection_back_so_that_its_peer_can_be_told() {
    // Rule "Truncated is never complete": a socket that is only dropped looks like the end of the data.
    let Transform { mut store, transform: upper } = Transform::upper().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (read, write) = listener.accept().await.unwrap().0.into_split();
    peer.write_all(b"hello").await.unwrap();
    let (input, output) = (sockets::read(read), sockets::write(write));
    let done = tokio::spawn(async move {
        // Enough for the call and the first bytes, and not for what follows.
        store.set_fuel(60_000).unwrap();
        let done = transform(&mut store, input, output, async |store, input| {
            Ok(upper.call_concurrent(store, (input,)).await?.0)
        });
        done.await
    });
    let mut got = vec![0; 5];
    peer.read_exact(&mut got).await.unwrap();
    assert_eq!(got, b"HELLO");
    let more = vec![b'x'; 64 * 1024];
    let _ = peer.write_all(&more).await;
    let done = timeout(LONG, done).await.expect("it hangs").unwrap();
    assert!(done.result.is_err(), "{done:?}");
    assert!(matches!(done.output.end, End::Abandoned), "{done:?}");
    drop(done.input);
    done.output.inner.reset().unwrap();
    let mut rest = Vec::new();
    let seen = timeout(LONG, peer.read_to_end(&mut rest)).await.expect("it hangs");
    assert_eq!(seen.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn many_streams_of_one_store_run_at_a_time() {
    let (mut store, upper) = upper().await;
    let done = store.run_concurrent(async |store| {
        let all = (0..20_usize).map(|n| {
            let input = streams::chunks(stream::repeat(&b"text "[..]).take(n));
            let output = iterators::collect_bytes(1000);
            transform_in(store, input, output, async |store, input| {
                call(&upper, store, input).await
            })
        });
        join_all(all).await
    });
    let done = timeout(LONG, done).await.expect("it hangs").unwrap();
    for (n, done) in done.into_iter().enumerate() {
        done.result.unwrap();
        assert!(done.input.end.is_finished() && done.output.end.is_finished());
        assert_eq!(done.output.inner.into_inner(), b"TEXT ".repeat(n));
    }
}

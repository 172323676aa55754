//! A listener in a process without free descriptors. Peers can cause that, and it passes.

use std::io;
use std::net::TcpStream as Client;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::time::Instant;
use wasmtime::component::{LinkerInstance, Resource, ResourceTable, ResourceType};
use wasmtime::{AsContextMut as _, Result, StoreContextMut};
use wasmtime_streams::sockets::{self, SocketAccept};
use wasmtime_streams_testing::{Code, Setup};

use crate::{Guest, with_guest_and};

/// How often a listener may be polled in ten seconds without descriptors.
const MOST_POLLS: usize = 10_000;

fn link<T: Send + 'static>(root: &mut LinkerInstance<'_, ResourceTable>) -> Result<()> {
    let ty = ResourceType::host::<T>();
    root.resource("item", ty, |mut store: StoreContextMut<'_, ResourceTable>, rep| {
        store.as_context_mut().data_mut().delete(Resource::<T>::new_own(rep))?;
        Ok(())
    })
}

fn push<T: Send + 'static>(
    mut store: StoreContextMut<'_, ResourceTable>,
    connection: T,
) -> Result<Resource<T>> {
    Ok(store.data_mut().push(connection)?)
}

/// A listener that fails until a certain time.
struct Short {
    error: i32,
    until: Instant,
    polls: Arc<AtomicUsize>,
    listener: TcpListener,
}

impl SocketAccept for Short {
    type Connection = TcpStream;

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
        if Instant::now() >= self.until {
            return SocketAccept::poll_accept(&self.listener, cx);
        }
        let polls = self.polls.fetch_add(1, Ordering::SeqCst);
        assert!(polls < MOST_POLLS, "it spins");
        Poll::Ready(Err(io::Error::from_raw_os_error(self.error)))
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_runs_short_of_resources_goes_on_later() {
    // Rule "Items before the error": EMFILE, ENFILE, ENOMEM and ENOBUFS do not end the stream.
    for error in [24, 23, 12, 105] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let polls = Arc::new(AtomicUsize::new(0));
        let until = Instant::now() + Duration::from_secs(10);
        let short = Short { error, until, polls: polls.clone(), listener };
        let _client = Client::connect(address).unwrap();
        let setup = Setup::new(ResourceTable::new()).link(link::<TcpStream>);
        let script = async |guest: &Guest<'_, Resource<TcpStream>>| {
            let (producer, done) = sockets::accept(short).deliver_with(push).with_completion();
            let stream = guest.source(producer).await;
            let code = match guest.read(stream, 4).await {
                Code::Blocked => guest.wait(stream).await,
                code => code,
            };
            assert_eq!(code, Code::Completed(1), "error {error}");
            done.cancel();
            let paused = done.await.inner.paused();
            assert!(paused > 0, "it is counted");
        };
        setup.drive(script).await.unwrap();
        assert!(polls.load(Ordering::SeqCst) > 0);
    }
}

/// The test below, which runs itself in a process with few descriptors.
const NAME: &str = "descriptors::a_guest_accepts_again_once_a_descriptor_is_free";

/// Set in the process that has few descriptors.
const FEW: &str = "STREAMS_FEW_DESCRIPTORS";

/// A listener that counts its failures.
struct Counts<L> {
    listener: L,
    failures: Arc<AtomicUsize>,
}

impl<L: SocketAccept> SocketAccept for Counts<L> {
    type Connection = L::Connection;

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<L::Connection>> {
        let accepted = self.listener.poll_accept(cx);
        if let Poll::Ready(Err(_)) = accepted {
            self.failures.fetch_add(1, Ordering::SeqCst);
        }
        accepted
    }
}

/// Lets a guest accept while no descriptor is free, and then frees one.
fn accept_without_descriptors<
    L: SocketAccept<Connection: Send + Sync + 'static> + Send + 'static,
    C,
>(
    listen: impl AsyncFnOnce() -> (L, Box<dyn Fn() -> io::Result<C>>),
) {
    with_guest_and::<Resource<L::Connection>, _>(link::<L::Connection>, async |guest| {
        let (listener, connect) = listen().await;
        let failures = Arc::new(AtomicUsize::new(0));
        let listener = Counts { listener, failures: failures.clone() };
        let (producer, done) = sockets::accept(listener).deliver_with(push).with_completion();
        let stream = guest.source(producer).await;
        let mut taken = Vec::new();
        while let Ok(file) = std::fs::File::open("/dev/null") {
            taken.push(file);
        }
        assert!(!taken.is_empty());
        // One descriptor for the client, and none for the accepted connection.
        taken.pop();
        let _client = connect().expect("no descriptor for the client");
        assert!(std::fs::File::open("/dev/null").is_err(), "a descriptor is still free");
        let code = guest.read(stream, 4).await;
        assert_eq!(code, Code::Blocked, "the listener does not wait");
        while failures.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        taken.pop();
        assert_eq!(guest.wait(stream).await, Code::Completed(1));
        done.cancel();
        assert!(done.await.inner.paused() > 0, "it is counted");
    });
}

#[test]
fn a_guest_accepts_again_once_a_descriptor_is_free() {
    // Rule "Items before the error": a real EMFILE, in a process of its own.
    if std::env::var_os(FEW).is_some() {
        accept_without_descriptors(async || {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            (listener, Box::new(move || Client::connect(address)) as Box<dyn Fn() -> _>)
        });
        accept_without_descriptors(async || {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("socket");
            let listener = UnixListener::bind(&path).unwrap();
            let connect = move || {
                let _kept = &directory;
                std::os::unix::net::UnixStream::connect(&path)
            };
            (listener, Box::new(connect) as Box<dyn Fn() -> _>)
        });
        return;
    }
    let few = Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args([NAME, "--exact", "--nocapture", "--test-threads=1"])
        .env(FEW, "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&few.stdout) + String::from_utf8_lossy(&few.stderr);
    assert!(few.status.success(), "{output}");
    assert!(output.contains("1 passed"), "{output}");
}

//! A guest that accepts and connects in a process without free descriptors.

use std::{
    env,
    fs::File,
    pin::pin,
    process::{Command, Stdio},
    time::Duration,
};

use tokio::{io::AsyncWriteExt as _, net::TcpStream, runtime::Builder, time::timeout};
use wasmtime_streams::wasi::Tcp;

use super::guest::{Family, Guest, with_guest, with_wasmtimes};

const NAME: &str = "tcp::descriptors::a_guest_accepts_again_once_a_descriptor_is_free";

/// Set in the process that the test starts, which has few descriptors.
const FEW: &str = "WASMTIME_STREAMS_TEST_FEW";

/// Takes all descriptors that are left.
fn take_all() -> Vec<File> {
    let files = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    let error = File::open("/dev/null").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::MFILE.raw_os_error()), "{error}");
    files
}

async fn accepts(guest: &Guest<'_>) {
    let socket = guest.socket().await;
    guest.bind(&socket, "127.0.0.1:0").await.unwrap();
    let connections = guest.listen(&socket).await.unwrap();
    let mut peer = TcpStream::connect(guest.local(&socket).await.unwrap()).await.unwrap();
    let taken = take_all();
    let mut accept = pin!(guest.accept(connections, 4));
    assert!(timeout(Duration::from_millis(100), &mut accept).await.is_err());
    drop(taken);
    let (_connections, accepted) = accept.await;
    assert_eq!(accepted.len(), 1, "the stream did not end, and the connection is not lost");
    peer.write_all(b"hello").await.unwrap();
    drop(peer);
    let (received, ended) = guest.receive(&accepted[0]).await;
    assert_eq!(guest.all(received).await, b"hello");
    guest.result(ended).await.unwrap();
}

/// What a guest is told that creates a socket.
async fn refused<S: Send + 'static>(guest: &Guest<'_, S>) -> String {
    let _taken = take_all();
    format!("{:?}", guest.create(Family::Ipv4).await.map(drop).unwrap_err())
}

/// What the process does that the test starts.
async fn process() {
    let open = || Tcp::new().inherit_network();
    with_guest(open(), async |guest| accepts(guest).await).await;
    let ours = with_guest(open(), async |guest| refused(guest).await).await;
    let theirs = with_wasmtimes(async |guest| refused(guest).await).await;
    assert_eq!(ours, theirs);
}

#[test]
fn a_guest_accepts_again_once_a_descriptor_is_free() {
    if env::var_os(FEW).is_some() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(process());
    }
    let few = Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""])
        .arg(env::current_exe().unwrap())
        .args([NAME, "--exact", "--nocapture", "--test-threads=1"])
        .env(FEW, "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&few.stdout) + String::from_utf8_lossy(&few.stderr);
    assert!(few.status.success(), "{output}");
    assert!(output.contains("1 passed"), "{output}");
}

//! The services: each answers what it gets in upper case, by a guest in a store of its own or by a loop of tokio's.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use wasmtime::component::{Component, InstancePre, Linker, StreamReader};
use wasmtime::error::Context as _;
use wasmtime::{Engine, Result, Store};
use wasmtime_streams::{sockets, transform};

use crate::process::Counts;

pub(crate) const WITH_GUEST: &str = "--with-guest";
pub(crate) const PLAIN: &str = "--without";

/// The buffer of the loop: that of `tokio::io::copy`.
const BUFFER: usize = 8 * 1024;

/// Counted for as long as a connection, its tasks and its store exist.
struct Open(Arc<watch::Sender<Counts>>);

impl Open {
    fn new(counts: Arc<watch::Sender<Counts>>) -> Self {
        counts.send_modify(|counts| counts.open += 1);
        Self(counts)
    }

    fn ended(&self, result: &Result<()>) {
        self.0.send_modify(|counts| match result {
            Ok(()) => counts.complete += 1,
            Err(_) => counts.cut += 1,
        });
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|counts| counts.open -= 1);
    }
}

/// Serves until standard input ends. Prints the address, and then for each line `OPEN ENDED` the counts, once so many
/// connections are open and at least so many have ended.
pub(crate) async fn run(name: &str) -> Result<()> {
    let engine = Engine::default();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/guests/upper.wat");
    let component = Component::from_file(&engine, path)?;
    let guest = Linker::new(&engine).instantiate_pre(&component)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let counts = Arc::new(watch::Sender::new(Counts::default()));
    let mut changes = counts.subscribe();
    let with_guest = name == WITH_GUEST;
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.expect("accepts");
            let (guest, counts) = (with_guest.then(|| guest.clone()), counts.clone());
            tokio::spawn(async move {
                let open = Open::new(counts);
                let result = match guest {
                    Some(guest) => through_guest(&guest, socket).await,
                    None => plain(socket).await.map_err(Into::into),
                };
                open.ended(&result);
            });
        }
    });
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let (open, ended) = line.split_once(' ').context("two numbers")?;
        let (open, ended): (usize, usize) = (open.parse()?, ended.parse()?);
        let there = |counts: &Counts| counts.open == open && counts.complete + counts.cut >= ended;
        let Counts { open, complete, cut } = *changes.wait_for(there).await?;
        println!("{open} {complete} {cut}");
    }
    Ok(())
}

/// Fails if either direction was cut short.
async fn through_guest(guest: &InstancePre<()>, socket: TcpStream) -> Result<()> {
    let mut store = Store::new(guest.engine(), ());
    let guest = guest.instantiate_async(&mut store).await?;
    let upper = guest
        .get_typed_func::<(StreamReader<u8>,), (StreamReader<u8>,)>(&mut store, "transform")?;
    let (from_peer, to_peer) = socket.into_split();
    let call = async |store: &_, input| Ok(upper.call_concurrent(store, (input,)).await?.0);
    let done = transform(&mut store, sockets::read(from_peer), sockets::write(to_peer), call).await;
    if !done.output.end.is_finished() {
        done.output.inner.reset()?;
    }
    drop(done.input.inner);
    done.result?;
    done.output.end.into_result()?;
    Ok(())
}

async fn plain(socket: TcpStream) -> io::Result<()> {
    let (mut from_peer, mut to_peer) = socket.into_split();
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = from_peer.read(&mut buffer).await?;
        if count == 0 {
            return to_peer.shutdown().await;
        }
        buffer[..count].make_ascii_uppercase();
        to_peer.write_all(&buffer[..count]).await?;
    }
}

//! Sockets, with a guest in between.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional, duplex, split};
use tokio::runtime::{Builder, Runtime};
use wasmtime::component::{StreamReader, TypedFunc};
use wasmtime::{Result, ensure};
use wasmtime_streams as ours;

use crate::Bench;
use crate::guest::{Guest, Instance};
use crate::measure::{Subject, median};

const PER_OP: u32 = 64 << 10;

pub(crate) fn tcp(bench: &mut Bench) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let guest = Guest::new(&bench.engine)?;

    let effort = bench.effort;
    bench.effort = effort.long();
    bench.compare(
        Subject::new("tcp-bulk", "copy_bidirectional", 0.7).unit("64KiB"),
        &mut |n| {
            let mut passing = Passing::new(&guest)?;
            bulk(n, |from, to| runtime.block_on(passing.both_ways(from, to)))
        },
        &mut |n| {
            bulk(n, |from, to| {
                runtime.block_on(async {
                    let (mut from, mut to) = (tokio_socket(from)?, tokio_socket(to)?);
                    copy_bidirectional(&mut from, &mut to).await?;
                    Ok(())
                })
            })
        },
    )?;
    bench.effort = effort;

    bench.values(
        effort.few(),
        Subject::new("round-trip-1-byte", "pair", 1.0).unit("trip").allow(5000.0),
        || round_trips(&guest, &runtime),
        || plain_round_trips(&runtime),
    )
}

fn tokio_socket(socket: TcpStream) -> Result<tokio::net::TcpStream> {
    socket.set_nonblocking(true)?;
    Ok(tokio::net::TcpStream::from_std(socket)?)
}

/// A thread writes into one socket, another reads from the other, and `pass` connects them.
fn bulk(n: u64, pass: impl FnOnce(TcpStream, TcpStream) -> Result<()>) -> Result<Duration> {
    let total = n * u64::from(PER_OP);
    let ((mut source, from), (mut sink, to)) = (sockets()?, sockets()?);
    let start = Instant::now();
    let writes = thread::spawn(move || {
        let block = vec![0x5a; PER_OP as usize];
        for _ in 0..n {
            source.write_all(&block)?;
        }
        source.shutdown(Shutdown::Write)?;
        std::io::Result::Ok(source)
    });
    let reads = thread::spawn(move || {
        let mut block = vec![0; PER_OP as usize];
        let mut count = 0;
        loop {
            match sink.read(&mut block)? {
                0 => return std::io::Result::Ok((count, start.elapsed())),
                n => count += n as u64,
            }
        }
    });
    pass(from, to)?;
    let failed = |_| wasmtime::Error::msg("a thread panicked");
    writes.join().map_err(failed)??;
    let (count, time) = reads.join().map_err(failed)??;
    ensure!(count == total, "{count} bytes arrived, not {total}");
    Ok(time)
}

/// The two ends of a connection.
fn sockets() -> Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let one = TcpStream::connect(listener.local_addr()?)?;
    let (other, _) = listener.accept()?;
    for socket in [&one, &other] {
        socket.set_nodelay(true)?;
    }
    Ok((one, other))
}

/// A guest that writes what it reads.
struct Passing {
    instance: Instance<u8>,
    pass: TypedFunc<(StreamReader<u8>, u32), (StreamReader<u8>,)>,
}

impl Passing {
    fn new(guest: &Guest<u8>) -> Result<Self> {
        let mut instance = guest.instance()?;
        let pass = instance.instance.get_typed_func(&mut instance.store, "pass")?;
        Ok(Self { instance, pass })
    }

    /// Like `copy_bidirectional`, through the guest.
    async fn both_ways(&mut self, from: TcpStream, to: TcpStream) -> Result<()> {
        let (from_read, from_write) = tokio_socket(from)?.into_split();
        let (to_read, to_write) = tokio_socket(to)?.into_split();
        let pass = self.pass;
        self.instance
            .store
            .run_concurrent(async |store| {
                let mut ends = Vec::new();
                for (read, write) in [(from_read, to_write), (to_read, from_write)] {
                    let stream =
                        store.with(|store| StreamReader::new(store, ours::tokio_io::read(read)))?;
                    let (passed,) = pass.call_concurrent(store, (stream, PER_OP)).await?;
                    let (consumer, done) = ours::tokio_io::write(write).with_completion();
                    store.with(|store| passed.pipe(store, consumer))?;
                    ends.push(done);
                }
                for end in ends {
                    end.await;
                }
                wasmtime::error::Ok(())
            })
            .await?
    }

    /// Echoes bytes through the guest, until the other end of the pair is dropped.
    async fn echo(&mut self, pair: tokio::io::DuplexStream) -> Result<()> {
        let (read, write) = split(pair);
        let pass = self.pass;
        self.instance
            .store
            .run_concurrent(async |store| {
                let stream =
                    store.with(|store| StreamReader::new(store, ours::tokio_io::read(read)))?;
                let (passed,) = pass.call_concurrent(store, (stream, PER_OP)).await?;
                let (consumer, done) = ours::tokio_io::write(write).with_completion();
                store.with(|store| passed.pipe(store, consumer))?;
                done.await;
                wasmtime::error::Ok(())
            })
            .await?
    }
}

/// Sends a byte and waits for its echo, many times: the median, in nanoseconds.
async fn trips(mut pair: tokio::io::DuplexStream) -> Result<f64> {
    let mut times = Vec::new();
    for _ in 0..1000 {
        let start = Instant::now();
        pair.write_all(b"x").await?;
        ensure!(pair.read_u8().await? == b'x', "another byte came back");
        times.push(start.elapsed().as_nanos() as f64);
    }
    Ok(median(times))
}

fn round_trips(guest: &Guest<u8>, runtime: &Runtime) -> Result<f64> {
    let mut passing = Passing::new(guest)?;
    runtime.block_on(async {
        let (here, there) = duplex(1024);
        let client = tokio::spawn(trips(here));
        passing.echo(there).await?;
        client.await?
    })
}

fn plain_round_trips(runtime: &Runtime) -> Result<f64> {
    runtime.block_on(async {
        let (here, mut there) = duplex(1024);
        let client = tokio::spawn(trips(here));
        let mut byte = [0];
        while there.read(&mut byte).await? > 0 {
            there.write_all(&byte).await?;
        }
        client.await?
    })
}

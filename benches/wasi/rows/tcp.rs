//! Connections over the loopback, whose peers are threads.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use wasmtime::{Result, ensure};

use crate::Bench;
use crate::clock::{Of, Spent};
use crate::data;
use crate::host::{Host, World};
use crate::measure::Subject;

const PER_OP: u32 = 64 << 10;
const WAITING: u64 = 1000;

/// Connects the guest with a peer, which runs on a thread, and times the guest's export.
fn with_peer<P, F>(world: &mut World, name: &str, params: P, peer: F) -> Result<(u64, Spent)>
where
    P: wasmtime::component::ComponentNamedList + wasmtime::component::Lower + Send + Sync + 'static,
    F: FnOnce(TcpStream) -> std::io::Result<()> + Send + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    world.run("connect", (u32::from(listener.local_addr()?.port()),))?;
    let (stream, _) = listener.accept()?;
    let peer = thread::spawn(move || peer(stream));
    let timed = world.time::<_, (u64,)>(Of::Thread, name, params);
    let ((count,), spent) = timed?;
    world.run("close", ())?;
    peer.join().map_err(|_| wasmtime::Error::msg("the peer panicked"))??;
    Ok((count, spent))
}

/// The guest receives `total` bytes.
fn receive(world: &mut World, total: u64, bytes: Vec<u8>) -> Result<Spent> {
    let (count, spent) = with_peer(world, "receive", (PER_OP, total), move |mut stream| {
        let mut left = total;
        while left > 0 {
            let n = left.min(bytes.len() as u64);
            stream.write_all(&bytes[..n as usize])?;
            left -= n;
        }
        Ok(())
    })?;
    ensure!(count == total, "the guest received {count} bytes");
    Ok(spent)
}

/// The guest sends `total` bytes. The peer checks them if it gets what to expect.
fn send(world: &mut World, total: u64, expected: Option<Vec<u8>>) -> Result<Spent> {
    let (count, spent) = with_peer(world, "send", (PER_OP, total), move |mut stream| {
        let mut buf = vec![0; 1 << 20];
        let mut arrived = 0;
        loop {
            let n = stream.read(&mut buf)?;
            let right = expected.as_ref().is_none_or(|all| all[arrived..][..n] == buf[..n]);
            arrived += n;
            if !right || (n == 0 && arrived as u64 != total) {
                return Err(std::io::ErrorKind::InvalidData.into());
            }
            if n == 0 {
                return Ok(());
            }
        }
    })?;
    ensure!(count == total, "the guest sent {count} bytes");
    Ok(spent)
}

/// A byte goes to the peer and back, `count` times.
fn trips(world: &mut World, count: u64) -> Result<Spent> {
    let (done, spent) = with_peer(world, "trips", (count,), |mut stream| {
        let mut byte = [0];
        while stream.read(&mut byte)? > 0 {
            stream.write_all(&byte)?;
        }
        Ok(())
    })?;
    ensure!(done == count, "{done} bytes came back");
    Ok(spent)
}

/// The guest accepts connections that wait already, `times` times.
fn accept(world: &mut World, times: u64) -> Result<Spent> {
    let mut all = Spent::default();
    for _ in 0..times {
        let port: u32 = world.call("listen", ())?;
        let address = (Ipv4Addr::LOCALHOST, port as u16);
        let waiting = (0..WAITING).map(|_| {
            let stream = TcpStream::connect(address)?;
            // So that they do not use up the ports.
            set_socket_linger(&stream, Some(Duration::ZERO))?;
            Ok(stream)
        });
        let waiting = waiting.collect::<Result<Vec<_>>>()?;
        let ((count,), spent) =
            world.time::<_, (u64,)>(Of::Thread, "accept", (1024_u32, WAITING))?;
        ensure!(count == WAITING, "the guest accepted {count} connections");
        all += spent;
        drop(waiting);
        world.run("close", ())?;
    }
    Ok(all)
}

pub(crate) fn tcp(bench: &mut Bench) -> Result<()> {
    type Run = fn(&mut World, u64) -> Result<Spent>;
    let checked = 1_000_001;
    let rows: [(&str, &str, f64, Run); 4] = [
        ("tcp-receive-64k", "64KiB", 0.95, |world, n| {
            receive(world, n * u64::from(PER_OP), vec![0x5a; PER_OP as usize])
        }),
        ("tcp-send-64k", "64KiB", 0.95, |world, n| send(world, n * u64::from(PER_OP), None)),
        ("tcp-round-trip-1", "trip", 0.95, trips),
        ("tcp-accept-1000", "1000", 2.0, accept),
    ];
    for (name, unit, floor, run) in rows {
        let subject = Subject::new(name, "wasmtime", floor).unit(unit);
        if !bench.wants(&subject) {
            continue;
        }
        for host in [Host::ours(), Host::wasmtimes()] {
            let mut world = bench.guest.on(|| Ok(host))?;
            world.run("check", ())?;
            let bytes = data::bytes(checked as usize);
            match name {
                "tcp-receive-64k" => drop(receive(&mut world, checked, bytes)?),
                "tcp-send-64k" => drop(send(&mut world, checked, Some(bytes))?),
                // They are checked in each run.
                _ => {}
            }
        }
        let mut ours = bench.guest.on(|| Ok(Host::ours()))?;
        let mut peer = bench.guest.on(|| Ok(Host::wasmtimes()))?;
        bench.compare_long(subject, |n| run(&mut ours, n), |n| run(&mut peer, n))?;
    }
    Ok(())
}

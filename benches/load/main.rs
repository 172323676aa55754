//! A TCP service under load and faults, with a guest for each connection and without one:
//! `cargo bench --bench load [-- [--quick] [CONNECTIONS]]`.
//!
//! 10,000 connections are open at once. A third of them are cut at a random point by a TCP reset; of the others one in eight
//! reads slowly and one in eight writes slowly. Each service is a process of its own, under the same load: a table shows the
//! memory of a connection and the latency of a round trip beside each other.
//!
//! The exit status is 1 if a byte is wrong, if a cut connection looks complete to the service or another one cut, or if
//! something is left when all connections are closed: a task, a store, a file descriptor, a memory mapping.

mod client;
mod process;
mod service;

use std::process::ExitCode;
use std::time::Duration;

use wasmtime::{Result, ensure};

use crate::client::{Load, Wave};
use crate::process::{Service, State};

/// How often the load is repeated: what one wave leaves behind, the next would add to.
const WAVES: usize = 2;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let mut load = Load {
        connections: 10_000,
        rounds: 5,
        bytes: 1024,
        pause: Duration::from_secs(3),
        seed: 1,
    };
    for arg in std::env::args().skip(1) {
        match arg.as_str() {
            "--bench" => {} // passed by cargo
            service::WITH_GUEST | service::PLAIN => {
                service::run(&arg).await?;
                return Ok(ExitCode::SUCCESS);
            }
            "--quick" => {
                load =
                    Load { connections: 300, rounds: 3, pause: Duration::from_millis(200), ..load };
            }
            number if number.parse::<usize>().is_ok_and(|n| n > 0) => {
                load.connections = number.parse()?;
            }
            _ => {
                eprintln!(
                    "load: no such argument: {arg}\nusage: load [--quick] [CONNECTIONS, more than 0]"
                );
                return Ok(ExitCode::from(2));
            }
        }
    }
    println!(
        "{} connections at once, {} round trips of {} bytes each, about {:.0} a second, seed {}",
        load.connections,
        load.rounds,
        load.bytes,
        load.connections as f64 / load.pause.as_secs_f64(),
        load.seed
    );
    println!(
        "service      KiB a connection   p50 ms   p99 ms   round trips   cut   CPU s   MiB kept"
    );
    for name in [service::PLAIN, service::WITH_GUEST] {
        measure(name, &load).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs the load against one service, and prints its row.
async fn measure(name: &str, load: &Load) -> Result<()> {
    let mut service = Service::start(name)?;
    // What is made once, by the first connections.
    let warm = Load { connections: 8, rounds: 1, pause: Duration::ZERO, ..*load };
    warm.run(&mut service).await?;
    let before = service.state()?;
    let mut waves: Vec<Wave> = Vec::new();
    for _ in 0..WAVES {
        waves.push(load.run(&mut service).await?);
        let after = service.state()?;
        nothing_left(&before, &after)?;
    }
    let after = service.state()?;
    let mut latencies: Vec<_> = waves.iter().flat_map(|wave| &wave.latencies).copied().collect();
    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let open = waves.iter().map(|wave| wave.open.memory).fold(0.0, f64::max);
    println!(
        "{:<12} {:>16.1} {:>8.2} {:>8.2} {:>13} {:>5} {:>7.1} {:>10.1}",
        name.trim_start_matches("--"),
        (open - before.memory) / load.connections as f64,
        ms(at(0.5)),
        ms(at(0.99)),
        latencies.len(),
        waves.iter().map(|wave| wave.cut).sum::<usize>(),
        after.cpu.as_secs_f64() - before.cpu.as_secs_f64(),
        (after.memory - before.memory) / 1024.0,
    );
    Ok(())
}

/// Compares what the system knows of a service without connections. The allocator keeps memory, which is shown only.
fn nothing_left(before: &State, after: &State) -> Result<()> {
    ensure!(
        after.descriptors == before.descriptors,
        "{} file descriptors are open, and {} were before",
        after.descriptors,
        before.descriptors
    );
    // Other threads of the allocator and of tokio may have got their own.
    ensure!(
        after.mappings <= before.mappings + 64,
        "there are {} memory mappings, and there were {}",
        after.mappings,
        before.mappings
    );
    Ok(())
}

//! The load.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::sleep;
use wasmtime::{Result, ensure};

use crate::process::{Service, State};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    /// Round trips of a connection that is not cut.
    pub(crate) rounds: usize,
    /// Of a message.
    pub(crate) bytes: usize,
    /// From one message of a connection to its next one, on average.
    pub(crate) pause: Duration,
    pub(crate) seed: u64,
}

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Steady,
    /// Resets the connection in this round, after so many bytes of the message.
    Cut(usize, usize),
    /// Sends 64 times as much as others, and reads it in 64 parts with pauses.
    ReadsSlowly,
    /// Writes a message in 64 parts with pauses.
    WritesSlowly,
}

const PARTS: usize = 64;

/// Between two parts.
const SLOW: Duration = Duration::from_millis(5);

/// What was seen of a load.
pub(crate) struct Wave {
    /// Of the steady clients' round trips.
    pub(crate) latencies: Vec<Duration>,
    pub(crate) cut: usize,
    /// The service while all connections were open, and each had made a round trip.
    pub(crate) open: State,
}

impl Load {
    /// A number below `bound` that is the same for each run with this seed.
    fn random(&self, of: (usize, usize), bound: usize) -> usize {
        let mut hasher = DefaultHasher::new();
        (self.seed, of).hash(&mut hasher);
        (hasher.finish() % bound as u64) as usize
    }

    fn kind(&self, number: usize) -> Kind {
        let round = self.random((number, 1), self.rounds);
        match (self.random((number, 0), 3), self.random((number, 2), 8)) {
            (0, _) => Kind::Cut(round, self.random((number, 3), self.bytes)),
            (_, 0) => Kind::ReadsSlowly,
            (_, 1) => Kind::WritesSlowly,
            _ => Kind::Steady,
        }
    }

    /// Runs all connections at once, and compares what the service counts.
    pub(crate) async fn run(&self, service: &mut Service) -> Result<Wave> {
        let goes_on = Arc::new(Barrier::new(self.connections + 1));
        let mut clients = JoinSet::new();
        let expected = (0..self.connections).map(|number| self.kind(number));
        let cut = expected.filter(|kind| matches!(kind, Kind::Cut(..))).count();
        for number in 0..self.connections {
            let (load, address, goes_on) = (*self, service.address, goes_on.clone());
            let socket = TcpStream::connect(address).await?;
            clients.spawn(async move { load.client(number, socket, &goes_on).await });
        }
        // Each has made a round trip, and waits.
        goes_on.wait().await;
        let counts = service.wait(self.connections, 0)?;
        ensure!(counts.complete + counts.cut == 0, "ended early: {counts:?}");
        let open = service.state()?;
        goes_on.wait().await;
        let mut latencies = Vec::new();
        while let Some(client) = clients.join_next().await {
            latencies.append(&mut client??);
        }
        service.is_running()?;
        let counts = service.wait(0, self.connections)?;
        ensure!(
            (counts.complete, counts.cut) == (self.connections - cut, cut),
            "{cut} of {} connections were cut, and the service saw {counts:?}",
            self.connections
        );
        Ok(Wave { latencies, cut, open })
    }

    async fn client(
        self,
        number: usize,
        socket: TcpStream,
        goes_on: &Barrier,
    ) -> Result<Vec<Duration>> {
        let mut client = Client { socket, load: self, number };
        client.round(0, Kind::Steady).await?;
        goes_on.wait().await;
        goes_on.wait().await;
        let kind = self.kind(number);
        let mut latencies = Vec::new();
        for round in 0..self.rounds {
            let pause = self.random((number, 4 + round), 2000) as u32;
            sleep(self.pause * pause / 1000).await;
            match kind {
                Kind::Cut(at, bytes) if at == round => {
                    client.socket.write_all(&client.message(round, kind)[..bytes]).await?;
                    client.socket.set_zero_linger()?;
                    return Ok(Vec::new());
                }
                _ => {
                    let start = Instant::now();
                    client.round(round, kind).await?;
                    if kind == Kind::Steady {
                        latencies.push(start.elapsed());
                    }
                }
            }
        }
        client.socket.shutdown().await?;
        let rest = client.socket.read(&mut [0]).await?;
        ensure!(rest == 0, "connection {number}: more than it has sent");
        Ok(latencies)
    }
}

struct Client {
    socket: TcpStream,
    load: Load,
    number: usize,
}

impl Client {
    /// A message that is of this connection and round alone.
    fn message(&self, round: usize, kind: Kind) -> Vec<u8> {
        let text = format!("connection {} round {round} ", self.number);
        let parts = if kind == Kind::ReadsSlowly { PARTS } else { 1 };
        text.bytes().cycle().take(self.load.bytes * parts).collect()
    }

    /// Sends a message, and reads and compares the answer.
    async fn round(&mut self, round: usize, kind: Kind) -> Result<()> {
        let message = self.message(round, kind);
        let mut answer = vec![0; message.len()];
        let (mut from, mut to) = self.socket.split();
        let part = |slow: bool| match slow {
            true => message.len().div_ceil(PARTS),
            false => message.len(),
        };
        let (reads, writes) = (kind == Kind::ReadsSlowly, kind == Kind::WritesSlowly);
        let write = async {
            for part in message.chunks(part(writes)) {
                to.write_all(part).await?;
                if writes {
                    sleep(SLOW).await;
                }
            }
            Ok(())
        };
        let read = async {
            for part in answer.chunks_mut(part(reads)) {
                from.read_exact(part).await?;
                if reads {
                    sleep(SLOW).await;
                }
            }
            Ok::<_, std::io::Error>(())
        };
        tokio::try_join!(write, read)?;
        let expected = message.to_ascii_uppercase();
        ensure!(answer == expected, "connection {}, round {round}: other bytes", self.number);
        Ok(())
    }
}

//! What a guest does not read stays where it is: for whoever reads after it.

use tokio::io::AsyncWriteExt as _;
use wasmtime_streams::sockets;
use wasmtime_wasi::cli::AsyncStdinStream;

use super::{World, completed, readiness::connection};
use crate::matrix::{HOSTS, Host};

#[tokio::test]
async fn a_guest_that_reads_a_part_leaves_the_rest() {
    for &host in HOSTS {
        let (socket, mut peer) = connection().await;
        let socket = socket.into_std().unwrap();
        let rest = tokio::net::TcpStream::from_std(socket.try_clone().unwrap()).unwrap();
        let socket = tokio::net::TcpStream::from_std(socket).unwrap();
        peer.write_all(b"hello world").await.unwrap();
        let mut world = World::new();
        match host {
            Host::Wasmtime => drop(world.0.stdin(AsyncStdinStream::new(socket))),
            Host::Ours => world.1 = world.1.stdin(sockets::read(socket)),
        }
        world
            .with(host, async |guest| {
                let (stdin, _) = guest.open("stdin").await;
                assert_eq!(guest.done("read", stdin, 5).await, completed(5));
            })
            .await;
        // The guest is gone, and the peer sends no more.
        let mut left = [0; 64];
        let left = match rest.into_std().unwrap().peek(&mut left) {
            Ok(n) => left[..n].to_vec(),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Vec::new(),
            Err(error) => panic!("{error}"),
        };
        match host {
            Host::Wasmtime => assert_eq!(left, b"", "nothing is lost"),
            Host::Ours => assert_eq!(left, b" world"),
        }
    }
}

/// The process's own stdin, in a process that the test starts.
#[cfg(unix)]
mod process {
    use std::{
        env,
        fs::File,
        io::{self, Read as _, Write as _, pipe},
        os::fd::AsFd as _,
        process::Command,
    };

    use tokio::runtime::Builder;
    use wasmtime_streams::wasi;

    use super::{HOSTS, Host, World, completed};

    const NAME: &str = "faults::ahead::process::a_guest_leaves_the_rest_of_stdin_to_its_process";

    /// Set in the process: whose host it runs.
    const HOST: &str = "WASMTIME_STREAMS_TEST_STDIN";

    fn process(host: Host) {
        let mut world = World::new();
        match host {
            Host::Wasmtime => drop(world.0.inherit_stdin()),
            Host::Ours => world.1 = world.1.stdin(wasi::process_stdin().unwrap()),
        }
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(world.with(host, async |guest| {
            let (stdin, _) = guest.open("stdin").await;
            assert_eq!(guest.done("read", stdin, 5).await, completed(5));
        }));
        // Not by way of `Stdin`, which has a buffer.
        let mut left = String::new();
        let stdin = io::stdin().as_fd().try_clone_to_owned().unwrap();
        File::from(stdin).read_to_string(&mut left).unwrap();
        eprintln!("left:{left}");
    }

    #[test]
    fn a_guest_leaves_the_rest_of_stdin_to_its_process() {
        match env::var(HOST).as_deref() {
            Ok("Wasmtime") => return process(Host::Wasmtime),
            Ok(_) => return process(Host::Ours),
            Err(_) => {}
        }
        for &host in HOSTS {
            let (reader, mut writer) = pipe().unwrap();
            writer.write_all(b"hello world").unwrap();
            drop(writer);
            let ran = Command::new(env::current_exe().unwrap())
                .args([NAME, "--exact", "--nocapture"])
                .env(HOST, format!("{host:?}"))
                .stdin(reader)
                .output()
                .unwrap();
            let stderr = String::from_utf8(ran.stderr).unwrap();
            assert!(ran.status.success(), "{host:?}: {stderr}");
            let left = stderr.lines().find_map(|line| line.strip_prefix("left:")).unwrap();
            match host {
                Host::Wasmtime => assert_eq!(left, "", "nothing is lost"),
                Host::Ours => assert_eq!(left, " world"),
            }
        }
    }
}

//! Checks the advice of `docs/ends.md` for TCP, where a peer takes a dropped socket for the end of the data.

use std::io::{ErrorKind, Read as _};
use std::net::TcpStream;

use wasmtime_streams::sockets;
use wasmtime_streams_testing::Setup;

use crate::host::{Host, poll_once};
use crate::peers::sockets::{settle, tcp};

/// Whether the peer sees a reset.
fn is_reset(host: &Host, mut peer: TcpStream) -> bool {
    settle(host);
    peer.set_nonblocking(false).unwrap();
    match peer.read_to_end(&mut Vec::new()) {
        Ok(_) => false,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            true
        }
    }
}

#[test]
fn a_host_can_reset_the_tcp_socket_that_a_cut_hands_back() {
    // Rule "Truncated is never complete". Without the reset, the third case, a cut looks like the end.
    for (cut, resets) in [(false, true), (true, true), (true, false)] {
        let host = Host::new();
        let _entered = host.enter();
        let (socket, peer) = tcp(&host);
        let script = Setup::new(()).run::<u8, _>(async |guest| {
            let (consumer, mut done) = sockets::write(socket).with_completion();
            let stream = guest.sink(consumer).await;
            guest.send_all(stream, &[1, 2, 3]).await;
            if cut {
                done.cancel();
            } else {
                guest.drop_writable(stream).await;
                wasmtime_streams_testing::executor::idle().await;
            }
            let done = poll_once(&mut done).await.expect("the completion is pending");
            assert_eq!(done.end.is_finished(), !cut);
            if resets && !done.end.is_finished() {
                done.inner.get_ref().set_zero_linger().unwrap();
            }
        });
        script.0.expect("stalled").unwrap();
        assert_eq!(is_reset(&host, peer), cut && resets);
    }
}

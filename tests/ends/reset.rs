//! What `docs/ends.md` advises for TCP, where a socket that is only dropped says that the data is complete.

use std::io::{ErrorKind, Read as _};
use std::net::TcpStream;

use wasmtime_streams::sockets;
use wasmtime_streams_testing::Setup;

use crate::host::{Host, look};
use crate::peers::sockets::{settle, tcp};

/// Whether the peer is told of a cut.
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
fn a_cut_is_told_to_a_tcp_peer_by_a_reset_of_the_socket_that_is_handed_back() {
    // Rule "Truncated is never complete". The third way is what that is for.
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
            let done = look(&mut done).await.expect("it has ended");
            assert_eq!(done.end.is_finished(), !cut);
            if resets && !done.end.is_finished() {
                done.inner.get_ref().set_zero_linger().unwrap();
            }
        });
        script.0.expect("nothing waits for ever").unwrap();
        assert_eq!(is_reset(&host, peer), cut && resets);
    }
}

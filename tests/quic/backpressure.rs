//! Flow control is QUIC's, from guest to guest.

use futures::stream;
use quinn::{TransportConfig, VarInt};
use tokio::task::yield_now;
use wasmtime::component::StreamReader;
use wasmtime_streams::{Meter, quic, streams};
use wasmtime_streams_testing::{Code, Guest, Setup};

use crate::machines::{Machines, store};

const WINDOW: u64 = 16 * 1024;

fn small() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport.stream_receive_window(VarInt::from_u32(WINDOW as u32));
    transport
}

#[tokio::test]
async fn a_slow_reader_holds_up_the_writer_on_the_other_machine() {
    // Rules "Backpressure" and "Bounded memory": what is between the two never exceeds the window.
    let machines = Machines::with(small).await;
    let (send, mut recv) = machines.stream().await;
    let mut store = store();
    let written = Meter::new();
    let sink = quic::write(send).metered(&written);
    let endless = streams::chunks(stream::repeat(&[b'x'; 1000][..]));
    StreamReader::new(&mut store, endless).unwrap().pipe(&mut store, sink).unwrap();
    let run = store.run_concurrent(async |_| std::future::pending::<()>().await);
    let slow = async {
        let (mut read, mut most) = (0, 0);
        while read < 100 * WINDOW {
            // The writer gets many turns for each read.
            for _ in 0..20 {
                yield_now().await;
            }
            let between = written.moved() - read;
            most = most.max(between);
            assert!(between <= WINDOW, "{between} bytes after {read}");
            read += recv.read(&mut [0; 1000]).await.unwrap().expect("more") as u64;
        }
        most
    };
    tokio::select! {
        _ = run => unreachable!("it runs for ever"),
        most = slow => assert!(most > WINDOW / 2, "the writer goes ahead: {most}"),
    }
}

#[tokio::test]
async fn a_guest_waits_for_room_and_is_told_of_it() {
    // Rules "Zero-length writes" and "Exact partial writes".
    let machines = Machines::with(small).await;
    let (send, mut recv) = machines.stream().await;
    let script = Setup::new(()).drive(async |guest: &Guest<'_, (), u8>| {
        let writable = guest.sink(quic::write(send)).await;
        let mut written = 1; // the byte that opened the stream
        let limit = WINDOW as u32;
        while written < limit {
            written += match guest.write(writable, limit - written).await {
                Code::Blocked => guest.wait(writable).await.count(),
                code => code.count(),
            };
        }
        assert_eq!(guest.write(writable, 0).await, Code::Blocked);
        let mut read = 0;
        while read < written as usize - 1 {
            read += recv.read(&mut [0; 4096]).await.unwrap().expect("more");
        }
        assert_eq!(guest.wait(writable).await, Code::Completed(0));
        guest.drop_writable(writable).await;
        assert_eq!(recv.read(&mut [0]).await, Ok(None));
    });
    script.await.unwrap();
}

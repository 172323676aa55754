//! The guest of the example `resources`: a TCP server that answers each connection in upper case.

wit_bindgen::generate!({
    inline: "
        package example:server;
        interface net {
            /// A connection; dropping it closes it.
            resource conn {
                peer: func() -> string;
                receive: func() -> stream<u8>;
                /// Resolves when all of it was sent.
                send: func(data: stream<u8>) -> future<result<_, string>>;
            }
        }
        world server {
            use net.{conn};
            /// Returns when there are no more connections.
            export serve: async func(conns: stream<conn>);
        }
    ",
});
use futures::StreamExt as _;
use wit_bindgen::{StreamReader, StreamResult};

struct Server;
export!(Server);

impl Guest for Server {
    async fn serve(conns: StreamReader<Conn>) {
        // All connections at once, in one task of the component model.
        conns.into_stream().for_each_concurrent(None, answer).await;
    }
}

async fn answer(conn: Conn) {
    let mut input = conn.receive();
    let (mut output, data) = wit_stream::new();
    let sent = conn.send(data);
    let greeting = format!("hello, {}\n", conn.peer());
    let mut left = output.write_all(greeting.into_bytes()).await;
    while left.is_empty() {
        let (result, mut bytes) = input.read(Vec::with_capacity(16 * 1024)).await;
        bytes.make_ascii_uppercase();
        // What comes back was not taken: the peer is gone.
        left = output.write_all(bytes).await;
        if result == StreamResult::Dropped {
            break;
        }
    }
    drop(output);
    // The host knows of a failure, and reports it.
    let _ = sent.await;
}

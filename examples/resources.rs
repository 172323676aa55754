//! A guest that is a TCP server: it gets connections as resources from a listener: `cargo run --example resources`
//!
//! Try `nc 127.0.0.1 7006`. Ctrl-C ends the stream of connections, and the guest returns once all have ended.

#![allow(missing_docs)] // of what `bindgen!` makes

use tokio::net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf};
use wasmtime::component::{
    Access, Component, FutureReader, HasSelf, Linker, Resource, ResourceTable, StreamReader,
};
use wasmtime::{Engine, Result, Store, StoreContextMut, error::Context as _};
use wasmtime_streams::{End, EndReason, sockets};

wasmtime::component::bindgen!({
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
    with: { "example:server/net.conn": Connection },
    imports: { default: store | trappable },
});
use example::server::net;

/// What a `conn` is on the host. The guest takes each half once.
#[derive(Debug)]
pub struct Connection(Option<OwnedReadHalf>, Option<OwnedWriteHalf>, String);

struct Data(ResourceTable);

impl net::Host for Data {}
impl net::HostConn for Data {}

impl net::HostConnWithStore<Data> for HasSelf<Data> {
    fn peer(mut store: Access<'_, Data, Self>, conn: Resource<Connection>) -> Result<String> {
        Ok(store.get().0.get(&conn)?.2.clone())
    }

    fn drop(mut store: Access<'_, Data, Self>, conn: Resource<Connection>) -> Result<()> {
        store.get().0.delete(conn)?;
        Ok(())
    }

    fn receive(
        mut store: Access<'_, Data, Self>,
        conn: Resource<Connection>,
    ) -> Result<StreamReader<u8>> {
        let socket = store.get().0.get_mut(&conn)?.0.take().context("received twice")?;
        StreamReader::new(store, sockets::read(socket))
    }

    fn send(
        mut store: Access<'_, Data, Self>,
        conn: Resource<Connection>,
        data: StreamReader<u8>,
    ) -> Result<FutureReader<Result<(), String>>> {
        let socket = store.get().0.get_mut(&conn)?.1.take().context("sent twice")?;
        let spawn = |task| drop(tokio::spawn(task)); // shuts the socket down at the end
        let result = |end: End<_>| end.into_result().map_err(|end| end.to_string());
        sockets::write(socket).pipe_wit_on(store, data, spawn, result)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:7006".to_owned());
    let engine = Engine::default();
    let component = Component::from_file(&engine, "examples/guests/server.wasm")?;
    let mut linker = Linker::new(&engine);
    Server::add_to_linker::<_, HasSelf<Data>>(&mut linker, |data| data)?;
    let mut store = Store::new(&engine, Data(ResourceTable::new()));
    let guest = Server::instantiate_async(&mut store, &component, &linker).await?;

    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    let conns = sockets::accept(listener)
        .until(EndReason::Finished, async { drop(tokio::signal::ctrl_c().await) })
        // A connection becomes a resource when the guest takes it; the others wait in the listener.
        .deliver_with(|mut store: StoreContextMut<'_, Data>, socket: TcpStream| {
            let peer = socket.peer_addr().map_or("nobody".to_owned(), |peer| peer.to_string());
            let (read, write) = socket.into_split();
            Ok(store.data_mut().0.push(Connection(Some(read), Some(write), peer))?)
        });
    let conns = StreamReader::new(&mut store, conns)?;
    store.run_concurrent(async |store| guest.call_serve(store, conns).await).await??;
    println!("all connections have ended");
    Ok(())
}

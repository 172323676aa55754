//! tokio's sockets and pipes, which can report readiness: connections, listeners, datagrams.
//!
//! Needs the feature `tokio`, which is on by default. Unix sockets and pipes need a Unix system.
//!
//! | I have … | the guest … | use |
//! |---|---|---|
//! | a `TcpStream` or `UnixStream`, a read half, a `pipe::Receiver` | reads a `stream<u8>` | [`read`](read()) |
//! | a `TcpStream` or `UnixStream`, a write half, a `pipe::Sender` | writes a `stream<u8>` | [`write`](write()) |
//! | a `TcpListener` or `UnixListener` | reads a stream of connections | [`accept`](accept()) |
//! | a `UdpSocket` | reads a stream of datagrams | [`datagrams`](datagrams()) |
//! | a `UdpSocket` | writes a stream of datagrams | [`send_to`](send_to()) |
//!
//! For both directions, split a connection with `into_split`, and share a `UdpSocket` in an `Arc`. A wrapper such as a
//! TLS stream cannot report readiness: give its halves to [`tokio_io`](crate::tokio_io). For your own type, implement
//! [`SocketRead`], [`SocketWrite`] or [`SocketAccept`].
//!
//! # Examples
//!
//! A connection through a guest. Here the stream is piped straight back, as by a guest that echoes:
//!
//! ```
//! # use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
//! # use tokio::net::TcpStream;
//! use tokio::net::TcpListener;
//! use wasmtime::{Engine, Store, component::StreamReader};
//! use wasmtime_streams::sockets;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> wasmtime::Result<()> {
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! # let mut peer = TcpStream::connect(listener.local_addr()?).await?;
//! # peer.write_all(b"hello").await?;
//! # peer.shutdown().await?;
//! let (connection, _) = listener.accept().await?;
//! let (from_peer, to_peer) = connection.into_split();
//!
//! let mut store = Store::new(&Engine::default(), ());
//! let input = StreamReader::new(&mut store, sockets::read(from_peer))?; // the guest's argument
//! let output = input; // the guest's result
//! let (to_peer, done) = sockets::write(to_peer).with_completion();
//! output.pipe(&mut store, to_peer)?;
//! let done = store.run_concurrent(async |_| done.await).await?; // shuts the connection down
//! assert!(done.end.is_finished());
//! # let mut echo = Vec::new();
//! # peer.read_to_end(&mut echo).await?;
//! # assert_eq!(echo, b"hello");
//! # Ok(())
//! # }
//! ```
//!
//! A listener whose connections become resources when the guest gets them, here for one connection:
//!
//! ```
//! use tokio::net::TcpListener;
//! # use tokio::net::TcpStream;
//! use wasmtime::component::{ResourceTable, StreamReader};
//! # use wasmtime::component::Resource;
//! use wasmtime::{Engine, Store, StoreContextMut};
//! use wasmtime_streams::sockets;
//! # use wasmtime_streams::iterators;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> wasmtime::Result<()> {
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! # let peer = TcpStream::connect(listener.local_addr()?).await?;
//! let mut store = Store::new(&Engine::default(), ResourceTable::new());
//! let connections = sockets::accept(listener).limit(1).deliver_with(
//!     |mut store: StoreContextMut<'_, ResourceTable>, connection| Ok(store.data_mut().push(connection)?),
//! );
//! let stream = StreamReader::new(&mut store, connections)?; // `stream<connection>`
//! # let (consumer, done) = iterators::collect(1).receive_with(
//! #     |mut store: StoreContextMut<'_, ResourceTable>, connection: Resource<TcpStream>| {
//! #         Ok(store.data_mut().delete(connection)?)
//! #     },
//! # ).with_completion();
//! # stream.pipe(&mut store, consumer)?;
//! # let done = store.run_concurrent(async |_| done.await).await?;
//! # assert_eq!(done.inner.into_inner()[0].peer_addr()?, peer.local_addr()?);
//! # Ok(())
//! # }
//! ```

mod accept;
mod datagrams;
mod read;
mod ready;
mod send_to;
mod socket;
mod write;

pub use self::accept::{Accept, accept};
pub use self::datagrams::{Datagrams, datagrams};
pub use self::read::{Read, read};
pub use self::send_to::{SendTo, send_to};
pub use self::socket::{SocketAccept, SocketRead, SocketWrite};
pub use self::write::{Write, write};

//! Two endpoints with a connection, and the stores of the hosts on both.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use quinn::rustls::RootCertStore;
use quinn::rustls::pki_types::pem::PemObject as _;
use quinn::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use quinn::{
    ClientConfig, Connection, Endpoint, ReadError, RecvStream, SendStream, ServerConfig,
    TransportConfig, WriteError,
};
use tokio::time::timeout;
use wasmtime::component::{StreamProducer, StreamReader};
use wasmtime::{Engine, Store};
use wasmtime_streams::quic::{Read, Write};
use wasmtime_streams::{ByteConsumer, ByteProducer, Completed, iterators};

/// What takes as long has failed.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::default);

pub(crate) fn store() -> Store<()> {
    Store::new(&ENGINE, ())
}

/// A connection with both of its sides: what one opens, the other accepts.
pub(crate) struct Machines {
    pub(crate) near: Connection,
    pub(crate) far: Connection,
    // An endpoint that is dropped closes its connections once they are idle.
    _endpoints: [Endpoint; 2],
}

// `cert.pem` and `key.pem`, which only these tests use, are valid for a hundred years:
// openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj /CN=localhost
//     -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE -keyout key.pem -out cert.pem
fn certificate() -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(include_bytes!("cert.pem")).unwrap()
}

pub(crate) fn server(transport: TransportConfig) -> Endpoint {
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("key.pem")).unwrap();
    let mut config = ServerConfig::with_single_cert(vec![certificate()], key).unwrap();
    config.transport_config(Arc::new(transport));
    Endpoint::server(config, (Ipv4Addr::LOCALHOST, 0).into()).unwrap()
}

pub(crate) fn client(transport: TransportConfig) -> Endpoint {
    let mut roots = RootCertStore::empty();
    roots.add(certificate()).unwrap();
    let mut config = ClientConfig::with_root_certificates(Arc::new(roots)).unwrap();
    config.transport_config(Arc::new(transport));
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let runtime = Arc::new(quinn::TokioRuntime);
    let mut endpoint = Endpoint::new(Default::default(), None, socket, runtime).unwrap();
    endpoint.set_default_client_config(config);
    endpoint
}

impl Machines {
    pub(crate) async fn new() -> Self {
        Self::with(TransportConfig::default).await
    }

    pub(crate) async fn with(transport: impl Fn() -> TransportConfig) -> Self {
        let (server, client) = (server(transport()), client(transport()));
        let near = client.connect(server.local_addr().unwrap(), "localhost").unwrap();
        let (near, far) = tokio::join!(near, async { server.accept().await.unwrap().await });
        let (near, far) = (near.unwrap(), far.unwrap());
        Self { near, far, _endpoints: [server, client] }
    }

    /// A stream from near to far that has carried one byte, which opens it.
    pub(crate) async fn stream(&self) -> (SendStream, RecvStream) {
        let mut send = self.near.open_uni().await.unwrap();
        send.write_all(b"!").await.unwrap();
        let mut recv = self.far.accept_uni().await.unwrap();
        recv.read_exact(&mut [0]).await.unwrap();
        (send, recv)
    }
}

/// Pipes a stream of the host's into `sink`, in a store of its own.
pub(crate) async fn write(
    source: impl StreamProducer<(), Item = u8>,
    sink: ByteConsumer<Write>,
) -> Completed<Write, WriteError> {
    let mut store = store();
    let (sink, done) = sink.with_completion();
    StreamReader::new(&mut store, source).unwrap().pipe(&mut store, sink).unwrap();
    let done = store.run_concurrent(async |_| timeout(LONG, done).await);
    done.await.unwrap().expect("the sink does not end")
}

/// Collects what comes from `source`, in a store of its own.
pub(crate) async fn read(source: ByteProducer<Read>) -> (Completed<Read, ReadError>, Vec<u8>) {
    let mut store = store();
    let (source, done) = source.with_completion();
    let (all, collected) = iterators::collect_bytes(1 << 30).with_completion();
    StreamReader::new(&mut store, source).unwrap().pipe(&mut store, all).unwrap();
    let done = store.run_concurrent(async |_| timeout(LONG, done).await);
    let done = done.await.unwrap().expect("the source does not end");
    let collected = store.run_concurrent(async |_| collected.await).await.unwrap();
    (done, collected.inner.into_inner())
}

//! Streams standard input through a guest to a guest on another machine, over QUIC, and there to standard output.
//! `cargo run -p example-quic --bin quic listen 127.0.0.1:4433 cert.der >copy` there, and then here
//! `cargo run -p example-quic --bin quic send 127.0.0.1:4433 cert.der <Cargo.toml`, with the certificate of the listener
//!
//! ```toml
//! quinn = { version = "0.11", default-features = false, features = ["runtime-tokio", "rustls-ring"] }
//! rcgen = { version = "0.14", default-features = false, features = ["ring"] }
//! tokio = { version = "1", features = ["full"] }
//! wasmtime = "48"
//! wasmtime-streams = { version = "48", features = ["quic"] }
//! ```

use std::{env, fs, net::SocketAddr, sync::Arc, time::Duration};

use quinn::rustls::{RootCertStore, pki_types::PrivateKeyDer};
use quinn::{ClientConfig, Connection, Endpoint, ServerConfig, TransportConfig};
use wasmtime::component::{Component, Linker, StreamReader, TypedFunc};
use wasmtime::{Engine, Error, Result, Store};
use wasmtime_streams::{quic, tokio_io, transform};

type Transform = TypedFunc<(StreamReader<u8>,), (StreamReader<u8>,)>;

#[tokio::main]
async fn main() {
    let done = run().await.inspect_err(|error| eprintln!("{error:?}"));
    std::process::exit(done.is_err().into()) // without a wait for a read of standard input
}

async fn run() -> Result<()> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let usage = || Error::msg("usage: quic listen|send ADDRESS CERTIFICATE");
    let [mode, address, file] = &arguments[..] else { return Err(usage()) };
    let address: SocketAddr = address.parse()?;
    // A machine that is gone is noticed after 3 seconds; the keep-alive keeps a connection that is only quiet.
    let mut transport = TransportConfig::default();
    transport.max_idle_timeout(Some(Duration::from_secs(3).try_into()?));
    transport.keep_alive_interval(Some(Duration::from_secs(1)));
    match &**mode {
        "listen" => {
            let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
            let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
            let mut config = ServerConfig::with_single_cert(vec![made.cert.der().clone()], key)?;
            config.transport_config(Arc::new(transport));
            let endpoint = Endpoint::server(config, address)?;
            fs::write(file, made.cert.der())?;
            eprintln!("listening on {}", endpoint.local_addr()?);
            let incoming = endpoint.accept().await.ok_or(Error::msg("the endpoint is closed"))?;
            receive(&incoming.await?).await?;
            endpoint.wait_idle().await; // until the sender has what was acknowledged
        }
        "send" => {
            let mut roots = RootCertStore::empty();
            roots.add(fs::read(file)?.into())?;
            let mut config = ClientConfig::with_root_certificates(Arc::new(roots))?;
            config.transport_config(Arc::new(transport));
            let endpoint = Endpoint::client((address.ip(), 0).into())?;
            let connection = endpoint.connect_with(config, address, "localhost")?.await?;
            send(&connection).await?;
            connection.close(0_u32.into(), b"done");
            endpoint.wait_idle().await;
        }
        _ => return Err(usage()),
    }
    Ok(())
}

/// From standard input through a guest that upper-cases it, to the other machine.
async fn send(connection: &Connection) -> Result<()> {
    let (mut store, upper) = guest(include_str!("../guests/upper.wat")).await?;
    let input = tokio_io::read(tokio::io::stdin());
    let output = quic::write(connection.open_uni().await?).until_stopped(); // also while there is no input
    let call = async |store: &_, input| Ok(upper.call_concurrent(store, (input,)).await?.0);
    let done = transform(&mut store, input, output, call).await;
    done.result?;
    done.output.end.into_result()?; // all of it has arrived at the other machine
    eprintln!("{} bytes sent", done.output.moved);
    Ok(())
}

/// From the other machine through a guest that rotates the letters by 13, to standard output.
async fn receive(connection: &Connection) -> Result<()> {
    let (mut store, rot13) = guest(include_str!("../guests/rot13.wat")).await?;
    let input = quic::read(connection.accept_uni().await?);
    let output = tokio_io::write(tokio::io::stdout());
    let call = async |store: &_, input| Ok(rot13.call_concurrent(store, (input,)).await?.0);
    let done = transform(&mut store, input, output, call).await;
    eprintln!("{} bytes received, {:?}", done.input.moved, done.input.end);
    done.result?;
    done.input.end.into_result()?; // not cut: by a reset, or by a machine that is gone
    Ok(done.output.end.into_result()?)
}

async fn guest(text: &str) -> Result<(Store<()>, Transform)> {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let component = Component::new(&engine, text)?;
    let guest = Linker::new(&engine).instantiate_async(&mut store, &component).await?;
    let transform = guest.get_typed_func(&mut store, "transform")?;
    Ok((store, transform))
}

//! TCP sockets, and addresses as text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use wit_bindgen::FutureReader;

use crate::{
    Options, Reading, Report, Writing,
    wasi::sockets::types::{
        ErrorCode, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress,
        TcpSocket,
    },
    wit_stream,
};

/// A new socket, and the address in the form that WASI has for it.
pub fn create(address: &str) -> Result<(TcpSocket, IpSocketAddress), ErrorCode> {
    let address: SocketAddr = address.parse().map_err(|_| ErrorCode::InvalidArgument)?;
    let (family, converted) = match address.ip() {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            let address = Ipv4SocketAddress { port: address.port(), address: (a, b, c, d) };
            (IpAddressFamily::Ipv4, IpSocketAddress::Ipv4(address))
        }
        IpAddr::V6(ip) => {
            let [a, b, c, d, e, f, g, h] = ip.segments();
            let address = Ipv6SocketAddress {
                port: address.port(),
                flow_info: 0,
                address: (a, b, c, d, e, f, g, h),
                scope_id: 0,
            };
            (IpAddressFamily::Ipv6, IpSocketAddress::Ipv6(address))
        }
    };
    Ok((TcpSocket::create(family)?, converted))
}

/// The address as text.
pub fn text(address: IpSocketAddress) -> SocketAddr {
    match address {
        IpSocketAddress::Ipv4(address) => {
            let (a, b, c, d) = address.address;
            (Ipv4Addr::new(a, b, c, d), address.port).into()
        }
        IpSocketAddress::Ipv6(address) => {
            let (a, b, c, d, e, f, g, h) = address.address;
            (Ipv6Addr::new(a, b, c, d, e, f, g, h), address.port).into()
        }
    }
}

/// What comes from the peer.
#[derive(Debug)]
pub struct Receiving {
    /// The stream.
    pub bytes: Reading<u8>,
    result: FutureReader<Result<(), ErrorCode>>,
}

impl Receiving {
    /// Begins to receive.
    pub fn new(socket: &TcpSocket, options: &Options) -> Self {
        let (stream, result) = socket.receive();
        Self { bytes: Reading::new(stream, options), result }
    }

    /// Waits for the result, and reports it.
    pub async fn finish(self, what: &str, report: &mut Report) {
        let (moved, end, result) = self.bytes.result(self.result).await;
        report.stream(what, moved, end, result);
    }
}

/// What goes to the peer.
#[derive(Debug)]
pub struct Sending {
    /// The stream.
    pub bytes: Writing,
    result: FutureReader<Result<(), ErrorCode>>,
}

impl Sending {
    /// Begins to send.
    pub fn new(socket: &TcpSocket, options: &Options) -> Self {
        let (writer, reader) = wit_stream::new();
        Self { bytes: Writing::new(writer, options), result: socket.send(reader) }
    }

    /// Drops the stream, which shuts down this half of the connection, waits for the result, and reports it.
    pub async fn finish(self, what: &str, report: &mut Report) {
        let (moved, end, result) = self.bytes.result(self.result).await;
        report.stream(what, moved, end, result);
    }
}

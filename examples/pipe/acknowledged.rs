//! What the peer of a TCP connection has acknowledged.

use tokio::net::TcpStream;

/// The number of bytes that the peer has not acknowledged yet; the end counts as one. `None` if the system does not
/// report it, or no longer lists the connection because both sides have ended it.
///
/// The ioctl `SIOCOUTQ` gives the same number, but calling it is `unsafe`.
#[cfg(target_os = "linux")]
pub(crate) fn missing(stream: &TcpStream) -> Option<u64> {
    use std::fs;

    let inode = rustix::fs::fstat(stream).ok()?.st_ino.to_string();
    let table = if stream.local_addr().ok()?.is_ipv6() { "tcp6" } else { "tcp" };
    let table = fs::read_to_string(format!("/proc/self/net/{table}")).ok()?;
    // sl local remote state sending:receiving timer retransmitted uid timeout inode …
    let of = |line: &str| {
        let mut fields = line.split_whitespace();
        let sending = fields.nth(4)?.split_once(':')?.0;
        (fields.nth(4)? == inode).then(|| u64::from_str_radix(sending, 16).ok())?
    };
    table.lines().find_map(of)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn missing(_: &TcpStream) -> Option<u64> {
    None
}

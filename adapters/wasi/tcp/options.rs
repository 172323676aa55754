//! Socket options, with the ranges that the interface names.
//!
//! A value of 0 is an invalid argument. Any other one is accepted and brought into the range that all systems take.

use std::time::Duration;

use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::net::sockopt;

use super::address::Family;
use super::error::SocketError;

type Outcome<T> = Result<T, SocketError>;
type Fd<'a> = BorrowedFd<'a>;

const SECOND: u64 = 1_000_000_000;
/// The largest times and counts of Linux, which has the narrowest range.
const MOST_SECONDS: u64 = 32_767;
const MOST_PROBES: u32 = 127;

/// 0 is an invalid argument.
fn nonzero<T: Default + PartialEq>(value: T) -> Outcome<T> {
    if value == T::default() { Err(SocketError::InvalidArgument) } else { Ok(value) }
}

/// A time between probes: whole seconds, at least one, so that it is never rounded down to 0.
fn time(nanos: u64) -> Outcome<Duration> {
    Ok(Duration::from_nanos(nonzero(nanos)?.clamp(SECOND, MOST_SECONDS * SECOND)))
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

pub(super) fn keep_alive(fd: Fd<'_>, _: Family) -> Outcome<bool> {
    Ok(sockopt::socket_keepalive(fd)?)
}

pub(super) fn set_keep_alive(fd: Fd<'_>, _: Family, on: bool) -> Outcome<()> {
    Ok(sockopt::set_socket_keepalive(fd, on)?)
}

pub(super) fn keep_alive_idle(fd: Fd<'_>, _: Family) -> Outcome<u64> {
    Ok(nanos(sockopt::tcp_keepidle(fd)?))
}

pub(super) fn set_keep_alive_idle(fd: Fd<'_>, _: Family, value: u64) -> Outcome<()> {
    Ok(sockopt::set_tcp_keepidle(fd, time(value)?)?)
}

pub(super) fn keep_alive_interval(fd: Fd<'_>, _: Family) -> Outcome<u64> {
    Ok(nanos(sockopt::tcp_keepintvl(fd)?))
}

pub(super) fn set_keep_alive_interval(fd: Fd<'_>, _: Family, value: u64) -> Outcome<()> {
    Ok(sockopt::set_tcp_keepintvl(fd, time(value)?)?)
}

pub(super) fn keep_alive_count(fd: Fd<'_>, _: Family) -> Outcome<u32> {
    Ok(sockopt::tcp_keepcnt(fd)?)
}

pub(super) fn set_keep_alive_count(fd: Fd<'_>, _: Family, value: u32) -> Outcome<()> {
    Ok(sockopt::set_tcp_keepcnt(fd, nonzero(value)?.min(MOST_PROBES))?)
}

pub(super) fn hop_limit(fd: Fd<'_>, family: Family) -> Outcome<u8> {
    match family {
        Family::V4 => sockopt::ip_ttl(fd)?.try_into().map_err(|_| SocketError::NotSupported),
        Family::V6 => Ok(sockopt::ipv6_unicast_hops(fd)?),
    }
}

pub(super) fn set_hop_limit(fd: Fd<'_>, family: Family, value: u8) -> Outcome<()> {
    let value = nonzero(value)?;
    match family {
        Family::V4 => sockopt::set_ip_ttl(fd, value.into())?,
        Family::V6 => sockopt::set_ipv6_unicast_hops(fd, Some(value))?,
    }
    Ok(())
}

pub(super) fn receive_buffer(fd: Fd<'_>, _: Family) -> Outcome<u64> {
    Ok(reported(sockopt::socket_recv_buffer_size(fd)?))
}

pub(super) fn set_receive_buffer(fd: Fd<'_>, _: Family, value: u64) -> Outcome<()> {
    hint(sockopt::set_socket_recv_buffer_size(fd, buffer(value)?))
}

pub(super) fn send_buffer(fd: Fd<'_>, _: Family) -> Outcome<u64> {
    Ok(reported(sockopt::socket_send_buffer_size(fd)?))
}

pub(super) fn set_send_buffer(fd: Fd<'_>, _: Family, value: u64) -> Outcome<()> {
    hint(sockopt::set_socket_send_buffer_size(fd, buffer(value)?))
}

/// The size to ask the system for, which takes an `int`.
fn buffer(value: u64) -> Outcome<usize> {
    let most = i32::MAX as usize;
    Ok(usize::try_from(nonzero(value)?).unwrap_or(most).min(most))
}

/// Linux reports twice the size that it was asked for.
fn reported(size: usize) -> u64 {
    let size = if cfg!(target_os = "linux") { size / 2 } else { size };
    size as u64
}

/// A buffer size is a hint: a system that refuses a large one goes on with its own.
fn hint(set: rustix::io::Result<()>) -> Outcome<()> {
    match set {
        Ok(()) | Err(Errno::NOBUFS) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

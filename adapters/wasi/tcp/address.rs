//! The interface's addresses, and which of them a socket takes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use wasmtime::component::{ComponentType, Lift, Lower};

/// `ip-address-family`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(enum)]
#[repr(u8)]
pub(super) enum Family {
    #[component(name = "ipv4")]
    V4,
    #[component(name = "ipv6")]
    V6,
}

/// `ip-socket-address`.
#[derive(Clone, Copy, Debug, ComponentType, Lift, Lower)]
#[component(variant)]
pub(super) enum WireAddr {
    #[component(name = "ipv4")]
    V4(WireV4),
    #[component(name = "ipv6")]
    V6(WireV6),
}

/// `ipv4-socket-address`.
#[derive(Clone, Copy, Debug, ComponentType, Lift, Lower)]
#[component(record)]
pub(super) struct WireV4 {
    port: u16,
    address: (u8, u8, u8, u8),
}

/// `ipv6-socket-address`.
#[derive(Clone, Copy, Debug, ComponentType, Lift, Lower)]
#[component(record)]
pub(super) struct WireV6 {
    port: u16,
    #[component(name = "flow-info")]
    flow_info: u32,
    address: (u16, u16, u16, u16, u16, u16, u16, u16),
    #[component(name = "scope-id")]
    scope_id: u32,
}

impl From<WireAddr> for SocketAddr {
    fn from(wire: WireAddr) -> Self {
        match wire {
            WireAddr::V4(WireV4 { port, address: (a, b, c, d) }) => {
                SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), port).into()
            }
            WireAddr::V6(WireV6 { port, flow_info, address, scope_id }) => {
                let (a, b, c, d, e, f, g, h) = address;
                let ip = Ipv6Addr::new(a, b, c, d, e, f, g, h);
                SocketAddrV6::new(ip, port, flow_info, scope_id).into()
            }
        }
    }
}

impl From<SocketAddr> for WireAddr {
    fn from(addr: SocketAddr) -> Self {
        match addr {
            SocketAddr::V4(addr) => {
                let [a, b, c, d] = addr.ip().octets();
                WireAddr::V4(WireV4 { port: addr.port(), address: (a, b, c, d) })
            }
            SocketAddr::V6(addr) => {
                let [a, b, c, d, e, f, g, h] = addr.ip().segments();
                WireAddr::V6(WireV6 {
                    port: addr.port(),
                    flow_info: addr.flowinfo(),
                    address: (a, b, c, d, e, f, g, h),
                    scope_id: addr.scope_id(),
                })
            }
        }
    }
}

impl Family {
    /// The family of `addr`.
    pub(super) fn of(addr: SocketAddr) -> Self {
        match addr {
            SocketAddr::V4(_) => Family::V4,
            SocketAddr::V6(_) => Family::V6,
        }
    }

    /// Any address and any port: what an implicit bind takes.
    pub(super) fn unspecified(self) -> SocketAddr {
        let ip = match self {
            Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        SocketAddr::new(ip, 0)
    }

    /// Whether a socket of this family can be bound to `addr`: a unicast address of the family.
    ///
    /// An IPv6 socket takes no IPv4 address in an IPv6 one: neither a mapped one (`::ffff:a.b.c.d`), since sockets are
    /// IPv6 only, nor a compatible one (`::a.b.c.d`), which systems treat differently.
    pub(super) fn can_bind(self, addr: SocketAddr) -> bool {
        match (self, addr.ip()) {
            (Family::V4, IpAddr::V4(ip)) => !ip.is_multicast() && !ip.is_broadcast(),
            (Family::V6, IpAddr::V6(ip)) => {
                !ip.is_multicast() && ip.to_ipv4_mapped().is_none() && !is_ipv4_compatible(ip)
            }
            _ => false,
        }
    }

    /// Whether a socket of this family can connect to `addr`.
    pub(super) fn can_connect(self, addr: SocketAddr) -> bool {
        self.can_bind(addr) && !addr.ip().is_unspecified() && addr.port() != 0
    }
}

fn is_ipv4_compatible(ip: Ipv6Addr) -> bool {
    let special = ip == Ipv6Addr::UNSPECIFIED || ip == Ipv6Addr::LOCALHOST;
    ip.octets()[..12] == [0; 12] && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(family: Family, addr: &str) -> (bool, bool) {
        let addr = addr.parse().unwrap();
        (family.can_bind(addr), family.can_connect(addr))
    }

    #[test]
    fn a_socket_takes_unicast_addresses_of_its_family() {
        assert_eq!(check(Family::V4, "127.0.0.1:80"), (true, true));
        assert_eq!(check(Family::V4, "127.0.0.1:0"), (true, false));
        assert_eq!(check(Family::V4, "0.0.0.0:80"), (true, false));
        assert_eq!(check(Family::V4, "224.0.0.1:80"), (false, false));
        assert_eq!(check(Family::V4, "255.255.255.255:80"), (false, false));
        assert_eq!(check(Family::V4, "[::1]:80"), (false, false));
        assert_eq!(check(Family::V6, "[::1]:80"), (true, true));
        assert_eq!(check(Family::V6, "[::]:80"), (true, false));
        assert_eq!(check(Family::V6, "[ff02::1]:80"), (false, false));
        assert_eq!(check(Family::V6, "[::ffff:127.0.0.1]:80"), (false, false));
        assert_eq!(check(Family::V6, "[::127.0.0.1]:80"), (false, false));
        assert_eq!(check(Family::V6, "127.0.0.1:80"), (false, false));
    }
}

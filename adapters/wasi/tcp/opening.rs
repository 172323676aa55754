//! What a connect and a listen wait for: the checks, the system, the host. The store is not needed meanwhile.

use std::net::SocketAddr;

use wasmtime_wasi::sockets::SocketAddrUse;

use super::address::Family;
use super::error::SocketError;
use super::settings::{Listened, Settings};
use super::socket::{Bound, TcpSocket, bind};

type Outcome<T> = Result<T, SocketError>;

/// A connect that is under way. Dropping it gives it up.
pub(super) struct Connect {
    pub(super) socket: ::tokio::net::TcpSocket,
    pub(super) bound: Bound,
    pub(super) settings: Settings,
    pub(super) addr: SocketAddr,
    pub(super) family: Family,
}

impl Connect {
    /// Connects. Polled in tokio's runtime. All checks come before any system call.
    pub(super) async fn run(self) -> Outcome<TcpSocket> {
        let Self { socket, bound, settings, addr, family } = self;
        if let Bound::No = bound {
            // The system binds by itself, at no cost in ports: only the permission is needed here.
            settings.allow(family.unspecified(), SocketAddrUse::TcpBind).await?;
        }
        settings.allow(addr, SocketAddrUse::TcpConnect).await?;
        if let Some(connect) = &settings.connect {
            return Ok(connect(addr).await?);
        }
        if let Bound::Recorded(local) = bound {
            bind(&socket, local)?;
        }
        Ok(TcpSocket::accepted(socket.connect(addr).await?, family))
    }
}

/// What precedes a listen.
pub(super) struct Listen {
    pub(super) bound: Option<SocketAddr>,
    pub(super) implicit: SocketAddr,
    pub(super) settings: Settings,
}

impl Listen {
    /// Checks, and asks the host for a listener if it has one. Polled in tokio's runtime.
    pub(super) async fn check(self) -> Outcome<Option<Listened>> {
        let local = match self.bound {
            Some(local) => local,
            None => {
                self.settings.allow(self.implicit, SocketAddrUse::TcpBind).await?;
                self.implicit
            }
        };
        self.settings.allow(local, SocketAddrUse::TcpListen).await?;
        match &self.settings.listen {
            Some(listen) => Ok(Some(listen(local).await?)),
            None => Ok(None),
        }
    }
}

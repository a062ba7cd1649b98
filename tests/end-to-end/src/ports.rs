//! Ports of this machine while many tests run beside each other: one that is only looked for and let go of may be another
//! test's a moment later.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use tokio::net::TcpSocket;

/// An address where nobody listens, and nobody can while this lives.
pub struct Nobody(TcpSocket);

impl Nobody {
    /// Takes a port and does not listen there.
    #[allow(clippy::new_without_default, reason = "it takes a port")]
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        Self(socket)
    }

    /// Where.
    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }
}

/// A port for a program that is about to listen there. The system gives none of these to whoever asks for any port, and to
/// no connection: they are below those that it gives away.
pub fn free() -> u16 {
    loop {
        let random = RandomState::new().hash_one(0) % 12_000;
        let port = 20_000 + u16::try_from(random).unwrap();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

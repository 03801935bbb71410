//! `TCP_NODELAY` for connections to PostgreSQL.
//!
//! sqlx 0.9.0 does not set it (transact-rs/sqlx#4335; #4336 mends it and is in no release yet) and hands nobody its socket. Whatever then goes
//! out in more than one write, as rows of some size do under TLS, waits for the acknowledgement of the write before, which the server's
//! kernel delays by 40 ms: two or three times a batch, while nobody has anything to do.
//!
//! So the sockets of this process are looked for where the kernel lists them, and those connected to the server's port get the option. Sockets to the same
//! port elsewhere get it too, which does them no harm. Where there is no such list, connections stay as they are.

use std::{fs, os::fd::RawFd, path::Path};

use nix::sys::socket::{SockaddrStorage, getpeername, setsockopt, sockopt::TcpNoDelay};

/// The kernel's list of this process's open files.
const OPEN: &str = "/proc/self/fd";

/// Sets the option on every connection of this process to such a port.
pub(super) fn on_connections_to(port: u16) {
    let Ok(entries) = fs::read_dir(OPEN) else {
        return;
    };
    for entry in entries.flatten() {
        let socket = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
            .filter(|_| is_socket(&entry.path()));
        if let Some(socket) = socket
            && peer(socket) == Some(port)
        {
            // Fails where it was closed meanwhile.
            let _ = setsockopt(socket, TcpNoDelay, &true);
        }
    }
}

fn is_socket(entry: &Path) -> bool {
    let target = fs::read_link(entry);
    target.is_ok_and(|target| target.to_string_lossy().starts_with("socket:"))
}

fn peer(socket: RawFd) -> Option<u16> {
    let peer: SockaddrStorage = getpeername(socket).ok()?;
    let four = peer.as_sockaddr_in().map(|address| address.port());
    four.or_else(|| peer.as_sockaddr_in6().map(|address| address.port()))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn connections_to_the_port_wait_for_no_acknowledgement_and_others_stay_as_they_are() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(server) = TcpListener::bind(address) else {
                // A machine without IPv6.
                continue;
            };
            let other = TcpListener::bind("127.0.0.1:0").unwrap();
            let here = TcpStream::connect(server.local_addr().unwrap()).unwrap();
            let elsewhere = TcpStream::connect(other.local_addr().unwrap()).unwrap();
            on_connections_to(server.local_addr().unwrap().port());
            assert!(here.nodelay().unwrap(), "{address}");
            assert!(!elsewhere.nodelay().unwrap(), "{address}");
        }
    }
}

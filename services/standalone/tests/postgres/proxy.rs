//! A TCP proxy in front of PostgreSQL that can be told to stall.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp},
    sync::Notify,
};

#[derive(Clone, Default)]
struct Gate {
    stalled: Arc<AtomicBool>,
    opened: Arc<Notify>,
}

impl Gate {
    async fn pass(&self) {
        loop {
            let opened = self.opened.notified();
            if !self.stalled.load(Ordering::SeqCst) {
                return;
            }
            opened.await;
        }
    }
}

/// Connections stay open and nothing moves while it stalls, as when a network or a disk hangs.
pub struct Proxy {
    pub port: u16,
    gate: Gate,
}

impl Proxy {
    /// In front of `host:port`.
    pub async fn start(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let gate = Gate::default();
        let all = gate.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (gate, server) = (all.clone(), server.clone());
                tokio::spawn(async move {
                    let server = TcpStream::connect(server).await.unwrap();
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    tokio::join!(
                        carry(from_client, to_server, gate.clone()),
                        carry(from_server, to_client, gate)
                    );
                });
            }
        });
        Self { port, gate }
    }

    pub fn stall(&self, stalled: bool) {
        self.gate.stalled.store(stalled, Ordering::SeqCst);
        self.gate.opened.notify_waiters();
    }
}

async fn carry(mut from: tcp::OwnedReadHalf, mut to: tcp::OwnedWriteHalf, gate: Gate) {
    let mut octets = vec![0; 16 * 1024];
    while let Ok(length) = from.read(&mut octets).await {
        gate.pass().await;
        if length == 0 || to.write_all(&octets[..length]).await.is_err() {
            return;
        }
    }
}

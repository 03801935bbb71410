//! A wire between two processes that can be made bad.

use std::{
    net::TcpListener as Bound,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp},
};

/// How the wire is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// Octets go through.
    Good,
    /// Each piece waits before it goes on.
    Late(Duration),
    /// A connection is taken and ended as soon as something comes.
    Reset,
    /// A connection is taken, and nothing ever goes through.
    HalfOpen,
}

/// Carries from `address` to a process.
pub struct Cable {
    pub address: String,
    wire: Arc<Mutex<Wire>>,
}

impl Cable {
    /// To `host:port`, which need not listen yet.
    pub fn to(there: &str) -> Self {
        let bound = Bound::bind("127.0.0.1:0").unwrap();
        bound.set_nonblocking(true).unwrap();
        let address = bound.local_addr().unwrap().to_string();
        let listener = TcpListener::from_std(bound).unwrap();
        let wire = Arc::new(Mutex::new(Wire::Good));
        let (all, there) = (Arc::clone(&wire), there.to_owned());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (wire, there) = (Arc::clone(&all), there.clone());
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(there).await else {
                        return;
                    };
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    tokio::join!(
                        carry(from_client, to_server, &wire),
                        carry(from_server, to_client, &wire)
                    );
                });
            }
        });
        Self { address, wire }
    }

    pub fn make(&self, wire: Wire) {
        *self.wire.lock().unwrap() = wire;
    }
}

async fn carry(mut from: tcp::OwnedReadHalf, mut to: tcp::OwnedWriteHalf, wire: &Mutex<Wire>) {
    let mut octets = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut octets).await {
        let now = *wire.lock().unwrap();
        match now {
            Wire::Good => {}
            Wire::Late(by) => tokio::time::sleep(by).await,
            Wire::Reset => return,
            Wire::HalfOpen => std::future::pending().await,
        }
        if to.write_all(&octets[..length]).await.is_err() {
            return;
        }
    }
}

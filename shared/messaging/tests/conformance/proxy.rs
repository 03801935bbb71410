//! A wire to the broker that the test can cut or hold.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    Whole,
    /// Connections end, and new ones are not taken further.
    Cut,
    /// Nothing is passed on, and nothing ends.
    Held,
}

/// Stands before a server; dropped with its connections.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    wire: watch::Sender<Wire>,
}

impl Proxy {
    pub(crate) async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let wire = watch::Sender::new(Wire::Whole);
        let mut state = wire.subscribe();
        tokio::spawn(async move {
            loop {
                let client = tokio::select! {
                    accepted = listener.accept() => accepted.map(|(client, _)| client),
                    gone = gone(&mut state) => return gone,
                };
                let Ok(client) = client else { return };
                if *state.borrow() != Wire::Cut {
                    tokio::spawn(carry(client, server, state.clone()));
                }
            }
        });
        Self { address, wire }
    }

    pub(crate) fn cut(&self) {
        self.wire.send_replace(Wire::Cut);
    }

    pub(crate) fn hold(&self) {
        self.wire.send_replace(Wire::Held);
    }

    pub(crate) fn mend(&self) {
        self.wire.send_replace(Wire::Whole);
    }
}

async fn gone(state: &mut watch::Receiver<Wire>) {
    while state.changed().await.is_ok() {}
}

async fn carry(client: TcpStream, server: SocketAddr, state: watch::Receiver<Wire>) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // When one direction ends, both do: a cut wire is cut in both.
    tokio::select! {
        _ = pass(from_client, to_server, state.clone()) => {}
        _ = pass(from_server, to_client, state) => {}
    }
}

async fn pass(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut state: watch::Receiver<Wire>,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = tokio::select! {
            biased;
            cut = state.wait_for(|wire| *wire == Wire::Cut) => { drop(cut); return Ok(()) }
            length = from.read(&mut buffer) => length?,
        };
        if length == 0 {
            return Ok(());
        }
        let after = match state.wait_for(|wire| *wire != Wire::Held).await {
            Ok(wire) => *wire,
            Err(_) => return Ok(()),
        };
        if after == Wire::Cut {
            return Ok(());
        }
        to.write_all(&buffer[..length]).await?;
    }
}

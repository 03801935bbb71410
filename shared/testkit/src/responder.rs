//! An OCSP responder that answers from a simulator, or misbehaves as told.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use warikan_simulator::Simulator;
use warikan_types::Clock;

/// How it answers.
#[derive(Clone)]
pub enum Manner {
    /// Truthfully, by this simulator.
    Live(Arc<Simulator>),
    /// These octets, whatever is asked.
    Octets(Vec<u8>),
    /// Takes the question and says nothing.
    Silent,
    /// Closes the connection hard.
    Reset,
    /// Another HTTP status.
    Status(u16),
    /// A web page.
    Html,
    /// One octet a tenth of a second.
    Drip,
    /// A hundred megabytes.
    Huge,
    /// Sends elsewhere.
    Redirect(String),
}

struct Inner {
    manner: Mutex<Manner>,
    clock: Clock,
    asked: AtomicUsize,
    sent: AtomicUsize,
    connections: AtomicUsize,
}

/// Listens on a free loopback port.
#[derive(Clone)]
pub struct OcspServer {
    /// `http://127.0.0.1:<port>/ocsp`
    pub url: String,
    inner: Arc<Inner>,
}

impl OcspServer {
    /// Starts one that keeps silent; what it tells, it tells as of this clock.
    ///
    /// # Panics
    /// Where no port can be bound.
    pub async fn start(clock: Clock) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a free port");
        let url = format!("http://{}/ocsp", listener.local_addr().expect("an address"));
        let inner = Arc::new(Inner {
            manner: Mutex::new(Manner::Silent),
            clock,
            asked: AtomicUsize::new(0),
            sent: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
        });
        let serving = Arc::clone(&inner);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serving.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, Arc::clone(&serving)));
            }
        });
        Self { url, inner }
    }

    /// From here on it answers so.
    pub fn behave(&self, manner: Manner) {
        let mut own = self.inner.manner.lock();
        *own.as_deref_mut().expect("nobody panics over it") = manner;
    }

    /// Questions so far.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.inner.asked.load(Ordering::SeqCst)
    }

    /// Octets of answers that were taken off its hands.
    #[must_use]
    pub fn sent(&self) -> usize {
        self.inner.sent.load(Ordering::SeqCst)
    }

    /// Connections that were opened to it.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.inner.connections.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: TcpStream, inner: Arc<Inner>) {
    while let Some(request) = read(&mut stream).await {
        inner.asked.fetch_add(1, Ordering::SeqCst);
        let manner = inner.manner.lock().expect("nobody panics over it").clone();
        if answer(&mut stream, &inner, manner, &request)
            .await
            .is_none()
        {
            return;
        }
    }
}

/// The body of the next request on the connection.
async fn read(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    loop {
        let head = octets.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(head) = head {
            let text = String::from_utf8_lossy(&octets[..head]).to_ascii_lowercase();
            assert!(
                text.contains("content-type: application/ocsp-request"),
                "{text}"
            );
            let length = text
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length?.trim().parse().ok()?;
            if octets.len() >= head + 4 + length {
                return Some(octets[head + 4..head + 4 + length].to_vec());
            }
        }
        let mut some = [0; 2048];
        match stream.read(&mut some).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => octets.extend_from_slice(&some[..count]),
        }
    }
}

async fn answer(
    stream: &mut TcpStream,
    inner: &Inner,
    manner: Manner,
    request: &[u8],
) -> Option<()> {
    let ocsp = |length: usize| {
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/ocsp-response\r\ncontent-length: {length}\r\n\r\n"
        )
    };
    let whole = |body: Vec<u8>| [ocsp(body.len()).into_bytes(), body].concat();
    let octets = match manner {
        Manner::Live(simulator) => whole(simulator.ocsp(request, inner.clock.now().utc())),
        Manner::Octets(octets) => whole(octets),
        Manner::Silent => {
            std::future::pending::<()>().await;
            return None;
        }
        Manner::Reset => {
            // Octets of the question that nobody reads make the close a reset.
            stream.set_zero_linger().ok()?;
            return None;
        }
        Manner::Status(status) => {
            format!("HTTP/1.1 {status} Told\r\ncontent-length: 0\r\n\r\n").into_bytes()
        }
        Manner::Html => {
            let page = "<!DOCTYPE html><title>Maintenance</title>";
            format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\n\r\n{page}",
                page.len()
            )
            .into_bytes()
        }
        Manner::Redirect(to) => {
            format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")
                .into_bytes()
        }
        Manner::Drip => {
            stream.write_all(ocsp(1_000).as_bytes()).await.ok()?;
            let mut tick = tokio::time::interval(Duration::from_millis(100));
            loop {
                tick.tick().await;
                stream.write_all(b"\x30").await.ok()?;
            }
        }
        Manner::Huge => {
            stream.write_all(ocsp(100_000_000).as_bytes()).await.ok()?;
            let some = vec![0x30; 65_536];
            for _ in 0..1_526 {
                stream.write_all(&some).await.ok()?;
                inner.sent.fetch_add(some.len(), Ordering::SeqCst);
            }
            return None;
        }
    };
    stream.write_all(&octets).await.ok()
}

//! What the deliveries go to, and what a plain load tool gets out of it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// A receiver that answers 204 to everything.
pub struct Receiver {
    pub name: &'static str,
    pub url: String,
    nginx: Option<(Child, tempfile::TempDir)>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some((child, directory)) = &mut self.nginx {
            // The master's end is told in its own words, so that its worker goes too.
            let pid = std::fs::read_to_string(directory.path().join("pid")).unwrap_or_default();
            let _ = Command::new("kill").arg(pid.trim()).status();
            let _ = child.wait();
        }
    }
}

impl Receiver {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let url = format!("http://{address}/hook");
        if found("nginx") {
            drop(listener);
            return Self {
                name: "nginx, one worker, `return 204`",
                url,
                nginx: Some(nginx(address)),
            };
        }
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                std::thread::spawn(move || answer(&stream.unwrap()));
            }
        });
        Self {
            name: "this bench's own, a thread per connection",
            url,
            nginx: None,
        }
    }

    /// What `wrk` gets: POSTs of the size of a delivery, over 16 connections.
    pub fn ceiling(&self) {
        if !found("wrk") {
            println!("| ceiling of the receiver: wrk is not installed | | | |");
            return;
        }
        let script = tempfile::NamedTempFile::new().unwrap();
        let headers = "wrk.headers['webhook-signature'] = string.rep('s', 140)\n";
        let body = "wrk.method = 'POST'\nwrk.body = string.rep('x', 560)\n";
        std::fs::write(script.path(), format!("{body}{headers}")).unwrap();
        let output = Command::new("wrk")
            .args(["-t1", "-c16", "-d5s", "-s"])
            .arg(script.path())
            .arg(&self.url)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let rate = text.lines().find(|line| line.starts_with("Requests/sec"));
        let rate = rate.and_then(|line| line.split(':').nth(1)).map(str::trim);
        println!(
            "| ceiling of the receiver (wrk, 16 connections) | | {} requests/s | |",
            rate.unwrap_or("no answer")
        );
    }
}

/// One that takes every connection and never answers.
pub struct Hanging {
    pub url: String,
    most: Arc<AtomicUsize>,
}

impl Hanging {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let most = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&most);
        std::thread::spawn(move || {
            let open = Arc::new(AtomicUsize::new(0));
            for stream in listener.incoming() {
                seen.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let open = Arc::clone(&open);
                std::thread::spawn(move || {
                    // Ends when the sender gives up.
                    let _ = std::io::copy(&mut stream.unwrap(), &mut std::io::sink());
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { url, most }
    }

    /// The most connections that were open at once.
    pub fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

fn found(program: &str) -> bool {
    let tried = Command::new(program)
        .arg("-v")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    tried.is_ok()
}

fn nginx(address: SocketAddr) -> (Child, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let config = format!(
        "daemon off;\nworker_processes 1;\npid {0}/pid;\nerror_log {0}/error.log;\n\
         events {{ worker_connections 1024; }}\n\
         http {{ access_log off; keepalive_requests 100000000;\n\
         client_body_temp_path {0}/body; proxy_temp_path {0}/proxy; fastcgi_temp_path {0}/fastcgi;\n\
         uwsgi_temp_path {0}/uwsgi; scgi_temp_path {0}/scgi;\n\
         server {{ listen {address}; location / {{ return 204; }} }} }}\n",
        path.display()
    );
    std::fs::write(path.join("nginx.conf"), config).unwrap();
    let child = Command::new("nginx")
        .arg("-c")
        .arg(path.join("nginx.conf"))
        .arg("-e")
        .arg(path.join("error.log"))
        .spawn()
        .unwrap();
    while TcpStream::connect(address).is_err() {
        std::thread::yield_now();
    }
    (child, directory)
}

/// Reads requests with a Content-Length and answers each.
fn answer(stream: &TcpStream) {
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            match reader.read_line(&mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(text) = line.strip_prefix("content-length: ") {
                length = text.parse().unwrap_or(0);
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() || writer.write_all(ANSWER).is_err() {
            return;
        }
    }
}

const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

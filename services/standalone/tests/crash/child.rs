//! The platform of the walks: the one binary's house, which hears its own steps and aborts before the one it was told.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fs::File,
    io::{BufRead, Write},
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp},
};
use warikan::{compose, config::Config};
use warikan_runtime::{Clocks, CommitObserver, Databases, load_config};
use warikan_types::Clock;

/// The configuration's path.
pub const CONFIG: &str = "CRASH_CONFIG";
/// A file that takes the steps, a line each.
pub const STEPS: &str = "CRASH_STEPS";
/// `name#number`: abort before the step of this name and number. Nothing: at no step.
pub const AT: &str = "CRASH_AT";
/// Seconds by which the platform's clock is ahead: leases of a process that died are over then.
pub const AHEAD: &str = "CRASH_AHEAD";
/// `here>there here>there`: the client's way in, and the webhooks' way out.
pub const WAYS: &str = "CRASH_WAYS";
/// What it says when it serves, and when it begins to count.
pub const SERVES: &str = "the platform serves";
pub const COUNTS: &str = "the platform counts";
/// Nothing happened for so long: what the start brings along is done.
const QUIET: Duration = Duration::from_millis(200);

/// Hears steps and aborts.
struct Steps {
    counting: AtomicBool,
    heard: AtomicUsize,
    at: Option<(String, usize)>,
    counts: Mutex<(BTreeMap<String, usize>, File)>,
}

impl Steps {
    fn before(&self, name: String) {
        self.heard.fetch_add(1, Ordering::SeqCst);
        if !self.counting.load(Ordering::SeqCst) {
            return;
        }
        let mut counts = self.counts.lock().unwrap();
        let number = counts.0.entry(name.clone()).or_default();
        *number += 1;
        let here = (name, *number);
        writeln!(counts.1, "{}", here.0).unwrap();
        if self.at.as_ref() == Some(&here) {
            // Like SIGKILL: nothing is finished, nothing is flushed. The lock is held, so nobody else gets a step further.
            std::process::abort();
        }
    }

    fn commit(&self, service: &str, tables: &BTreeSet<String>) {
        if !tables.is_empty() {
            let tables: Vec<&str> = tables.iter().map(String::as_str).collect();
            self.before(format!("{service} commits {}", tables.join(", ")));
        }
    }

    async fn count_from_quiet_on(&self) {
        loop {
            let before = self.heard.load(Ordering::SeqCst);
            tokio::time::sleep(QUIET).await;
            if self.heard.load(Ordering::SeqCst) == before {
                self.counting.store(true, Ordering::SeqCst);
                return;
            }
        }
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

fn steps() -> Arc<Steps> {
    let at = env::var(AT).ok().filter(|text| !text.is_empty());
    let at = at.map(|text| {
        let (name, number) = text.rsplit_once('#').unwrap();
        (name.to_owned(), number.parse().unwrap())
    });
    let file = File::create(variable(STEPS)).unwrap();
    Arc::new(Steps {
        counting: AtomicBool::new(false),
        heard: AtomicUsize::new(0),
        at,
        counts: Mutex::new((BTreeMap::new(), file)),
    })
}

/// Serves until standard input ends; begins to count when a line comes there.
pub fn run() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(serve());
}

async fn serve() {
    let config: Config = load_config(
        Some(Path::new(&variable(CONFIG))),
        "NOBODY",
        std::iter::empty(),
    )
    .unwrap();
    let clocks = Clocks {
        production: Clock::adjustable(Duration::from_secs(variable(AHEAD).parse().unwrap())),
        sandbox: Clock::adjustable(Duration::ZERO),
    };
    let steps = steps();
    let mut platform = compose::platform(&config, clocks).unwrap();
    let observer = CommitObserver::new({
        let steps = Arc::clone(&steps);
        move |service, tables| steps.commit(service, tables)
    });
    platform.databases = Databases::ObservedSqlite(config.data_dir.clone(), observer);
    let listener = std::net::TcpListener::bind(config.listen.as_ref().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let house = compose::open_over(&config, platform, address)
        .await
        .unwrap();
    let running = house.serve(listener).unwrap();
    let ways = variable(WAYS);
    for (way, names) in ways.split(' ').zip([
        [
            "a client's request arrives",
            "the answer leaves for the client",
        ],
        ["a webhook leaves", "its receiver's answer arrives"],
    ]) {
        let (here, there) = way.split_once('>').unwrap();
        let listener = TcpListener::bind(here).await.unwrap();
        tokio::spawn(carry_all(
            listener,
            there.parse().unwrap(),
            names,
            Arc::clone(&steps),
        ));
    }
    say(SERVES);
    let mut lines = lines();
    while lines.recv().await.is_some() {
        steps.count_from_quiet_on().await;
        say(COUNTS);
    }
    running.stop().await.unwrap();
}

fn say(words: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{words}").unwrap();
    out.flush().unwrap();
}

fn lines() -> tokio::sync::mpsc::UnboundedReceiver<String> {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

async fn carry_all(
    listener: TcpListener,
    to: SocketAddr,
    names: [&'static str; 2],
    steps: Arc<Steps>,
) {
    while let Ok((client, _)) = listener.accept().await {
        let Ok(server) = TcpStream::connect(to).await else {
            continue;
        };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::spawn(carry(from_client, to_server, names[0], Arc::clone(&steps)));
        tokio::spawn(carry(from_server, to_client, names[1], Arc::clone(&steps)));
    }
}

async fn carry(
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    name: &str,
    steps: Arc<Steps>,
) {
    let mut octets = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut octets).await {
        steps.before(name.to_owned());
        if to.write_all(&octets[..length]).await.is_err() {
            return;
        }
    }
}

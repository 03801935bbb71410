//! Sends prepared requests, closed loop or open loop, and keeps how long each answer took.
//!
//! *Closed loop*: each client sends its next request when it has its answer. *Open loop*: requests begin at their moments whatever became
//! of the earlier ones, and latency counts from the moment at which a request should have begun, so that a stall counts for all that it
//! held up.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{bail, ensure};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::{
    statistics::Sample,
    wire::{Answered, Connection},
};

/// Connections of an open loop at most, as a load balancer in front would keep. What waits for one waits from its moment on.
const CONNECTIONS: usize = 512;

/// How requests come.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// So many clients, each with one request under way.
    Closed(usize),
    /// So many requests a second.
    Open(u32),
}

/// What came of a run.
pub(crate) struct Driven {
    pub(crate) took: Duration,
    /// In the order of the requests.
    answers: Vec<(Duration, Answered)>,
}

impl Driven {
    /// How long accepted requests took.
    ///
    /// # Errors
    /// None was accepted; the text is the first answer.
    pub(crate) fn accepted(&self) -> anyhow::Result<Sample> {
        self.accepted_after(0)
    }

    /// The same, without so many requests at the beginning.
    ///
    /// # Errors
    /// As before.
    pub(crate) fn accepted_after(&self, first: usize) -> anyhow::Result<Sample> {
        let later = self.answers.iter().skip(first);
        let accepted = later.filter(|(_, one)| one.status < 300);
        let took: Vec<Duration> = accepted.map(|(took, _)| *took).collect();
        if let (true, Some((_, first))) = (took.is_empty(), self.answers.first()) {
            let text = String::from_utf8_lossy(&first.body);
            bail!("nothing was accepted: {} {text}", first.status);
        }
        Ok(Sample::new(took))
    }

    /// How many answers there are.
    pub(crate) fn len(&self) -> usize {
        self.answers.len()
    }

    /// How many were refused for there being too many: 429 and 503.
    pub(crate) fn refused(&self) -> usize {
        let refused = |one: &&(Duration, Answered)| [429, 503].contains(&one.1.status);
        self.answers.iter().filter(refused).count()
    }

    /// The bodies of what was created; there may be no other answer but a refusal.
    pub(crate) fn created(self) -> anyhow::Result<Vec<Vec<u8>>> {
        let mut created = Vec::new();
        for (_, one) in self.answers {
            match one.status {
                201 => created.push(one.body),
                429 | 503 => {}
                other => bail!("answered {other}: {}", String::from_utf8_lossy(&one.body)),
            }
        }
        Ok(created)
    }
}

/// Sends everything.
pub(crate) async fn drive(
    to: SocketAddr,
    requests: Vec<Vec<u8>>,
    pace: Pace,
) -> anyhow::Result<Driven> {
    let requests: Arc<[Vec<u8>]> = requests.into();
    let mut sent = JoinSet::new();
    let begun = Instant::now();
    match pace {
        Pace::Closed(clients) => {
            let next = Arc::new(AtomicUsize::new(0));
            for _ in 0..clients {
                sent.spawn(client(to, Arc::clone(&requests), Arc::clone(&next)));
            }
        }
        Pace::Open(rate) => {
            let idle = Arc::new(Mutex::new(Vec::new()));
            let room = Arc::new(Semaphore::new(CONNECTIONS));
            for number in 0..requests.len() {
                let intended = begun + Duration::from_secs(1) * u32::try_from(number)? / rate;
                // A timer each would cost more than the requests.
                if intended > Instant::now() {
                    tokio::time::sleep_until(intended.into()).await;
                }
                let requests = Arc::clone(&requests);
                let (idle, room) = (Arc::clone(&idle), Arc::clone(&room));
                sent.spawn(async move {
                    let answer = {
                        let _place = room.acquire().await?;
                        once(to, &requests[number], &idle).await?
                    };
                    Ok(vec![(number, intended.elapsed(), answer)])
                });
            }
        }
    }
    let mut answers: Vec<_> = (0..requests.len()).map(|_| None).collect();
    while let Some(done) = sent.join_next().await {
        for (number, took, answer) in done?? {
            answers[number] = Some((took, answer));
        }
    }
    let took = begun.elapsed();
    let answers: Vec<_> = answers.into_iter().flatten().collect();
    ensure!(answers.len() == requests.len(), "a request got no answer");
    Ok(Driven { took, answers })
}

type Answers = Vec<(usize, Duration, Answered)>;

async fn client(
    to: SocketAddr,
    requests: Arc<[Vec<u8>]>,
    next: Arc<AtomicUsize>,
) -> anyhow::Result<Answers> {
    let mut connection = Connection::open(to).await?;
    let mut answers = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some(request) = requests.get(number) else {
            return Ok(answers);
        };
        let begun = Instant::now();
        let answer = connection.exchange(request).await?;
        if answer.closes {
            connection = Connection::open(to).await?;
        }
        answers.push((number, begun.elapsed(), answer));
    }
}

/// One request on any connection.
async fn once(
    to: SocketAddr,
    request: &[u8],
    idle: &Mutex<Vec<Connection>>,
) -> anyhow::Result<Answered> {
    let mut connection = take(to, idle).await?;
    let answer = match connection.exchange(request).await {
        Ok(answer) => answer,
        // The platform closes what nobody has used for some seconds: as every client does, again on a new one.
        Err(_) => {
            connection = Connection::open(to).await?;
            connection.exchange(request).await?
        }
    };
    if !answer.closes {
        idle.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(connection);
    }
    Ok(answer)
}

/// A connection that nobody uses, or a new one.
async fn take(to: SocketAddr, idle: &Mutex<Vec<Connection>>) -> anyhow::Result<Connection> {
    let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
    match kept {
        Some(connection) => Ok(connection),
        None => Connection::open(to).await,
    }
}

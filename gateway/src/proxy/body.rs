//! Bodies on their way through: a few chunks in memory at a time, never a whole long one.
//!
//! The beginning of a body is kept until an answer comes, so that a request can be sent again: to another replica where it did not reach
//! the first, or once more where it may be repeated.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use actix_web::web::{Bytes, Payload};
use futures_util::{StreamExt, stream};
use tokio::{sync::mpsc, time::Instant};

/// Chunks between the client's connection and the service's.
const CHUNKS: usize = 4;
/// A client that sends nothing for so long is closed.
const IDLE: Duration = Duration::from_secs(10);
/// No operation takes a body nearly as large; services have their own, lower limits.
pub(super) const LIMIT: u64 = 1 << 20;
/// What is kept of a body at most; a verification has 10 KiB.
pub(super) const KEPT: usize = 64 << 10;

/// Why a body ended before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// The client stopped sending.
    Slow,
    /// It sent more than any operation takes.
    TooLarge,
    /// Its connection broke.
    Broken,
}

/// Tells what became of a body.
#[derive(Clone, Default)]
pub(super) struct Fate(Arc<AtomicU8>);

impl Fate {
    fn seal(&self, cut: Cut) {
        let mark = match cut {
            Cut::Slow => 1,
            Cut::TooLarge => 2,
            Cut::Broken => 3,
        };
        self.0.store(mark, Ordering::Release);
    }

    /// Why it was cut, if it was.
    pub(super) fn cut(&self) -> Option<Cut> {
        match self.0.load(Ordering::Acquire) {
            1 => Some(Cut::Slow),
            2 => Some(Cut::TooLarge),
            3 => Some(Cut::Broken),
            _ => None,
        }
    }
}

type Chunk = Result<Bytes, std::io::Error>;

/// A client's body, for one attempt after the other.
pub(super) struct Outgoing {
    taken: Arc<Mutex<Taken>>,
    rest: Arc<tokio::sync::Mutex<mpsc::Receiver<Chunk>>>,
    fate: Fate,
}

/// What attempts have taken of it so far.
#[derive(Default)]
struct Taken {
    kept: Vec<Bytes>,
    octets: usize,
    whole: Whole,
}

/// Whether everything that was taken is kept.
#[derive(Default, PartialEq, Eq, Clone, Copy)]
enum Whole {
    #[default]
    Yes,
    No,
}

impl Outgoing {
    /// Reads a client's body beside the request on its worker's thread, and ends with the body or with the request.
    pub(super) fn of(mut payload: Payload) -> Self {
        let (sender, receiver) = mpsc::channel::<Chunk>(CHUNKS);
        let fate = Fate::default();
        let told = fate.clone();
        actix_web::rt::spawn(async move {
            let mut octets = 0_u64;
            loop {
                let cut = match tokio::time::timeout(IDLE, payload.next()).await {
                    Ok(Some(Ok(chunk))) => {
                        octets += chunk.len() as u64;
                        if octets <= LIMIT {
                            if sender.send(Ok(chunk)).await.is_err() {
                                return;
                            }
                            continue;
                        }
                        Cut::TooLarge
                    }
                    Ok(None) => return,
                    Ok(Some(Err(_))) => Cut::Broken,
                    Err(_) => Cut::Slow,
                };
                told.seal(cut);
                // The request towards the service must fail, not end: half a body is no body.
                let _ = sender.send(Err(std::io::Error::other("cut"))).await;
                return;
            }
        });
        Self {
            taken: Arc::default(),
            rest: Arc::new(tokio::sync::Mutex::new(receiver)),
            fate,
        }
    }

    pub(super) fn fate(&self) -> Fate {
        self.fate.clone()
    }

    /// The whole body; `None` where it is longer than what is kept, was cut, or is not there by then. It can be sent afterwards.
    pub(super) async fn whole(&self, until: Instant) -> Option<Vec<u8>> {
        let mut rest = self.rest.lock().await;
        loop {
            match tokio::time::timeout_at(until, rest.recv()).await {
                Ok(Some(Ok(chunk))) => keep(&mut lock(&self.taken), &chunk),
                Ok(None) if self.fate.cut().is_none() => break,
                Ok(_) | Err(_) => return None,
            }
            if lock(&self.taken).whole == Whole::No {
                return None;
            }
        }
        Some(lock(&self.taken).kept.concat())
    }

    /// The body from its beginning; `None` where that is gone.
    pub(super) fn body(&self) -> Option<reqwest::Body> {
        let again = {
            let taken = lock(&self.taken);
            if taken.whole == Whole::No || self.fate.cut().is_some() {
                return None;
            }
            taken.kept.clone()
        };
        let (taken, rest) = (Arc::clone(&self.taken), Arc::clone(&self.rest));
        let rest = stream::unfold((taken, rest), |(taken, rest)| async move {
            let chunk = rest.lock().await.recv().await?;
            if let Ok(octets) = &chunk {
                keep(&mut lock(&taken), octets);
            }
            Some((chunk, (taken, rest)))
        });
        let again = stream::iter(again.into_iter().map(Ok));
        Some(reqwest::Body::wrap_stream(again.chain(rest)))
    }
}

fn keep(taken: &mut Taken, chunk: &Bytes) {
    taken.octets += chunk.len();
    if taken.octets > KEPT {
        taken.whole = Whole::No;
        taken.kept.clear();
    } else {
        taken.kept.push(chunk.clone());
    }
}

fn lock(taken: &Mutex<Taken>) -> std::sync::MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Bodies on their way through: a few chunks in memory at a time, never a whole one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use actix_web::web::{Bytes, Payload};
use futures_util::StreamExt;
use tokio::sync::mpsc;

/// Chunks between the client's connection and the service's.
const CHUNKS: usize = 4;
/// A client that sends nothing for so long is closed.
const IDLE: Duration = Duration::from_secs(10);
/// No operation takes a body nearly as large; services have their own, lower limits.
pub(super) const LIMIT: u64 = 1 << 20;

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

/// Passes a client's body on. Runs beside the request on its worker's thread, and ends with the body or with the request.
pub(super) fn pass_on(mut payload: Payload) -> (reqwest::Body, Fate) {
    let (sender, receiver) = mpsc::channel::<Result<Bytes, std::io::Error>>(CHUNKS);
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
    let stream = futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|chunk| (chunk, receiver))
    });
    (reqwest::Body::wrap_stream(stream), fate)
}

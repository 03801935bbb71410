//! What a process must know that lives in another one, and goes on asking for: certificate status, the sandbox's roots
//! and its clock. Each is asked by long poll, so that a change arrives at once; each stays as it was while nobody answers.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;
use warikan_pki::PinnedAnchors;
use warikan_revocation::StatusReplica;
use warikan_runtime::{Clocks, Module, Peer};
use warikan_sandbox::World;

use crate::anchors;

/// Something that goes on for as long as the process does.
pub(super) struct Follower {
    work: BoxFuture<'static, ()>,
    /// Whether it has been told once: before that the process knows less than there is to know.
    told: Arc<AtomicBool>,
}

/// Says that a follower was told once.
pub(super) struct Told(Arc<AtomicBool>);

impl Told {
    pub(super) fn yes(&self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Follower {
    pub(super) fn new<F: Future<Output = ()> + Send + 'static>(
        work: impl FnOnce(Told) -> F,
    ) -> Self {
        let told = Arc::new(AtomicBool::new(false));
        let work = Box::pin(work(Told(Arc::clone(&told))));
        Self { work, told }
    }
}

/// What a process follows.
#[derive(Default)]
pub(super) struct Followers {
    waiting: Vec<Follower>,
    running: Vec<JoinHandle<()>>,
}

impl Followers {
    pub(super) fn add(&mut self, follower: Follower) {
        self.waiting.push(follower);
    }

    /// Starts them and waits until each was told once, for [`FIRST`] at most: whoever is asked before that would answer that it
    /// could not find out, or that it knows no such authority, while the replica beside it knows better. Whom it follows need
    /// not run; then it serves with what it knows.
    pub(super) async fn learn(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        let told: Vec<_> = waiting.iter().map(|one| Arc::clone(&one.told)).collect();
        self.running
            .extend(waiting.into_iter().map(|one| tokio::spawn(one.work)));
        let all = async {
            while !told.iter().all(|one| one.load(Ordering::Acquire)) {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        if tokio::time::timeout(FIRST, all).await.is_err() {
            tracing::warn!("served before everything was told that other processes know");
        }
    }

    /// Starts those that are not started, and gives all.
    pub(super) fn spawn(self) -> Vec<JoinHandle<()>> {
        let waiting = self.waiting.into_iter();
        let mut running = self.running;
        running.extend(waiting.map(|one| tokio::spawn(one.work)));
        running
    }
}

/// How long a start waits to be told.
const FIRST: Duration = Duration::from_secs(3);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Seconds a question waits for a change.
const WAIT: u64 = 10;
/// Pause after a question that was not answered.
const PAUSE: Duration = Duration::from_millis(250);

/// Follows revocation's status versions.
pub(super) fn status(replica: StatusReplica) -> Follower {
    Follower::new(move |told| async move {
        let mut silent = false;
        loop {
            match replica.follow().await {
                Ok(()) => {
                    silent = false;
                    told.yes();
                }
                Err(error) => {
                    if !silent {
                        tracing::warn!(%error, "certificate status is not followed; what is known stays, and ages");
                    }
                    silent = true;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    })
}

/// Follows the sandbox: pins its roots beside the operator's, and keeps its clock.
pub(super) fn sandbox(
    peer: Peer,
    production: Option<PathBuf>,
    pinned: PinnedAnchors,
    clocks: Clocks,
) -> Follower {
    Follower::new(move |told| async move {
        let mut known: Option<World> = None;
        let mut silent = false;
        loop {
            match ask(&peer, known.as_ref()).await {
                Ok(world) => {
                    silent = false;
                    if known.as_ref() != Some(&world) {
                        take_over(&world, known.as_ref(), production.clone(), &pinned, &clocks);
                        known = Some(world);
                    }
                    told.yes();
                }
                Err(error) => {
                    if !silent {
                        tracing::warn!(
                            error,
                            "the sandbox is not followed; its certificates are judged by what is known"
                        );
                    }
                    silent = true;
                    peer.turn_elsewhere();
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    })
}

async fn ask(peer: &Peer, known: Option<&World>) -> Result<World, String> {
    let path = match known {
        None => "/inner/sandbox".to_owned(),
        Some(world) => format!(
            "/inner/sandbox?known={}&wait={WAIT}",
            world.clock_offset_micros
        ),
    };
    let request = peer
        .get(&path, Duration::from_secs(WAIT + 5))
        .map_err(|error| error.to_string())?;
    let answer = request.send().await.map_err(|error| error.to_string())?;
    if !answer.status().is_success() {
        return Err(format!("it answers {}", answer.status()));
    }
    answer.json().await.map_err(|error| error.to_string())
}

fn take_over(
    world: &World,
    known: Option<&World>,
    production: Option<PathBuf>,
    pinned: &PinnedAnchors,
    clocks: &Clocks,
) {
    let ahead = Duration::from_micros(world.clock_offset_micros);
    let missing = ahead.saturating_sub(clocks.sandbox.offset());
    if let Err(error) = clocks.sandbox.advance(missing) {
        tracing::warn!(%error, "the sandbox's clock cannot be followed");
    }
    if known.is_some_and(|known| known.roots == world.roots) {
        return;
    }
    let roots: Result<Vec<Vec<u8>>, _> = world
        .roots
        .iter()
        .map(|root| STANDARD.decode(root))
        .collect();
    match roots {
        Err(error) => tracing::error!(%error, "the sandbox's roots are not readable"),
        // Anchors of production stay the operator's alone: a root of the sandbox is pinned for the sandbox.
        Ok(roots) => match anchors::load(production.as_deref(), roots) {
            Ok(set) => pinned.replace(set),
            Err(error) => tracing::error!(%error, "the sandbox's roots cannot be pinned"),
        },
    }
}

/// A verification that has never been told a certificate's status would answer `status_unavailable` to everyone.
pub(super) fn ready_once_told(mut module: Module, replica: StatusReplica) -> Module {
    let own = module.ready.clone();
    module.ready = Arc::new(move || {
        let (own, replica) = (own.clone(), replica.clone());
        Box::pin(async move {
            if replica.complete() {
                own().await
            } else {
                Err("revocation has not told the status of certificates yet".to_owned())
            }
        })
    });
    module
}

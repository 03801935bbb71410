//! Long work on lists, behind everybody who waits for an answer.
//!
//! A list of five million entries takes a core for seconds. On a thread of its own, which the kernel prefers less than those that answer
//! requests, it takes what they leave, and a small share of what they do not. What it takes also costs them memory's bandwidth and the time in which
//! it is told to step aside: so where it sees that others wanted its core, it sleeps as long as it worked ([`breathe`]).

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::oneshot;

/// How much less it is preferred (`nice(2)`): as little as there is.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 19;

/// Does it there. `None`: it panicked, or there was no thread to be had.
pub(crate) async fn gently<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (told, answer) = oneshot::channel();
    let spawned = std::thread::Builder::new()
        .name("lists".to_owned())
        .spawn(move || {
            // The thread ends with the work: without privilege no thread comes back up.
            #[cfg(target_os = "linux")]
            let _ = rustix::process::setpriority_process(None, NICENESS);
            PACE.set(Some(Pace::now()));
            // Fails where nobody waits any more.
            let _ = told.send(work());
        });
    if let Err(error) = spawned {
        tracing::error!(%error, "no thread for a list");
        return None;
    }
    answer.await.ok()
}

/// Calls between two looks at the clocks: some milliseconds of work.
const CALLS: u32 = 16_384;
/// Longer than it worked by this part: others had the core meanwhile.
const WANTED: u32 = 4;
/// The longest sleep. After it, the list goes on.
const LONGEST: Duration = Duration::from_millis(50);

thread_local! {
    static PACE: RefCell<Option<Pace>> = const { RefCell::new(None) };
}

/// When this thread last looked.
struct Pace {
    calls: u32,
    wall: Instant,
    worked: Duration,
}

impl Pace {
    fn now() -> Self {
        Self {
            calls: 0,
            wall: Instant::now(),
            worked: worked(),
        }
    }
}

/// Processor time of this thread.
fn worked() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// How long to sleep after so much work in so much time.
fn sleep(took: Duration, worked: Duration) -> Duration {
    if took > worked + worked / WANTED {
        took.min(LONGEST)
    } else {
        Duration::ZERO
    }
}

/// To be called for every row of long work. Elsewhere than in [`gently`] it does nothing.
pub(crate) fn breathe() {
    PACE.with_borrow_mut(|pace| {
        let Some(pace) = pace else { return };
        pace.calls += 1;
        if pace.calls < CALLS {
            return;
        }
        let now = Pace::now();
        let rest = sleep(
            now.wall.duration_since(pace.wall),
            now.worked.saturating_sub(pace.worked),
        );
        if rest.is_zero() {
            *pace = now;
        } else {
            // Nobody wakes it: it leaves the core to others, and waits for nothing.
            std::thread::park_timeout(rest);
            *pace = Pace::now();
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rests_where_others_wanted_the_core_and_not_where_it_was_alone() {
        let ms = Duration::from_millis;
        assert_eq!(sleep(ms(4), ms(4)), Duration::ZERO);
        assert_eq!(sleep(ms(5), ms(4)), Duration::ZERO);
        assert_eq!(sleep(ms(12), ms(4)), ms(12));
        assert_eq!(sleep(ms(900), ms(4)), LONGEST);
    }

    #[tokio::test]
    async fn work_is_done_elsewhere_and_a_panic_there_is_told() {
        let here = std::thread::current().id();
        let there = gently(move || std::thread::current().id()).await;
        assert!(there.is_some_and(|there| there != here));
        assert_eq!(gently(|| -> u8 { panic!("on purpose") }).await, None);
    }
}

//! Whether this process's clock may be believed (F055).
//!
//! A verdict depends on the time: a certificate is expired or not, a list is stale or not. A node whose clock went astray must notice it itself,
//! leave rotation, and decide nothing until it is right again. It compares itself with others' clocks, about once a second; between
//! two looks it compares the wall with the machine's steady clock, so that a step is noticed by the first request after it.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::{BoxFuture, join_all};
use warikan_types::{Clock, Timestamp};

/// How far a clock may be off.
pub const TOLERANCE: Duration = Duration::from_secs(2);
/// How often [`ClockGuard::look`] wants to be called.
pub const LOOK: Duration = Duration::from_secs(1);

type Ask = dyn Fn() -> BoxFuture<'static, Option<Timestamp>> + Send + Sync;

/// Somebody else's clock.
#[derive(Clone)]
pub struct Reference {
    name: &'static str,
    ask: Arc<Ask>,
    within: Duration,
}

impl Reference {
    /// The clock of `name`, asked for so; `None` where it does not answer.
    #[must_use]
    pub fn new(
        name: &'static str,
        ask: impl Fn() -> BoxFuture<'static, Option<Timestamp>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            ask: Arc::new(ask),
            within: Duration::ZERO,
        }
    }

    /// One that tells its time only so exactly: what it says is off by this much at most.
    #[must_use]
    pub const fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }
}

/// The clock is not to be believed; in words for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// It differs from this one's, by so many milliseconds (positive: ours is behind).
    Differs(&'static str, i64),
    /// It was stepped by so many milliseconds since it was compared last.
    Stepped(i64),
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |millis: i64| {
            let tenths = millis.unsigned_abs() / 100;
            format!("{}.{} s", tenths / 10, tenths % 10)
        };
        match self {
            Self::Differs(name, ahead) => {
                let side = if *ahead > 0 { "behind" } else { "ahead of" };
                write!(
                    f,
                    "this process's clock is {} {side} that of {name}; see that NTP runs here",
                    seconds(*ahead)
                )
            }
            Self::Stepped(by) => write!(
                f,
                "this process's clock was stepped by {} and is being compared",
                seconds(*by)
            ),
        }
    }
}

/// Watches this process's clock. Clones are one.
#[derive(Clone)]
pub struct ClockGuard(Arc<Inner>);

/// How long something runs, by a clock that nobody steps.
type Steady = dyn Fn() -> Duration + Send + Sync;

struct Inner {
    clock: Clock,
    steady: Box<Steady>,
    references: Vec<Reference>,
    state: Mutex<State>,
}

struct State {
    /// The wall and the steady clock, read together.
    wall: Timestamp,
    steady: Duration,
    doubt: Option<Doubt>,
}

impl ClockGuard {
    /// Compares `clock` with these; with none it doubts nothing.
    #[must_use]
    pub fn new(clock: Clock, references: Vec<Reference>) -> Self {
        let begun = Instant::now();
        Self::beside(clock, move || begun.elapsed(), references)
    }

    fn beside(
        clock: Clock,
        steady: impl Fn() -> Duration + Send + Sync + 'static,
        references: Vec<Reference>,
    ) -> Self {
        let state = Mutex::new(State {
            wall: clock.now(),
            steady: steady(),
            doubt: None,
        });
        Self(Arc::new(Inner {
            clock,
            steady: Box::new(steady),
            references,
            state,
        }))
    }

    /// Compares once. To be called every [`LOOK`], and before the process serves.
    pub async fn look(&self) {
        if self.0.references.is_empty() {
            return;
        }
        let asked = self.0.references.iter().map(|one| self.ahead(one));
        let mut heard: Vec<Heard> = join_all(asked).await.into_iter().flatten().collect();
        // The median: one peer that is wrong itself takes nobody out of rotation.
        heard.sort_by_key(|one| one.ahead);
        let middle = heard.get(heard.len().saturating_sub(1) / 2..=heard.len() / 2);
        let Some(median) = middle.and_then(|two| two.iter().min_by_key(|one| one.ahead.abs()))
        else {
            // Nobody answers. What was known stays.
            return;
        };
        let mut state = self.lock();
        let off = median.ahead.abs();
        if off - median.uncertain > tolerance() {
            let doubt = Doubt::Differs(median.name, median.ahead);
            if state.doubt.is_none() {
                tracing::error!(%doubt, "requests are refused until the clock is right");
            }
            state.doubt = Some(doubt);
        } else if off + median.uncertain <= tolerance() {
            if state.doubt.take().is_some() {
                tracing::warn!("the clock is right again");
            }
        } else {
            // The answer came too late to tell; the next one will.
            return;
        }
        (state.wall, state.steady) = (self.0.clock.now(), (self.0.steady)());
    }

    /// Why the clock is not to be believed at this moment, if it is not.
    #[must_use]
    pub fn doubt(&self) -> Option<Doubt> {
        if self.0.references.is_empty() {
            return None;
        }
        let state = self.lock();
        if state.doubt.is_some() {
            return state.doubt.clone();
        }
        let wall = self.0.clock.now().unix_millis() - state.wall.unix_millis();
        let step = wall - millis((self.0.steady)().saturating_sub(state.steady));
        (step.abs() > tolerance()).then_some(Doubt::Stepped(step))
    }

    async fn ahead(&self, one: &Reference) -> Option<Heard> {
        let (before, steady) = (self.0.clock.now(), (self.0.steady)());
        let theirs = (one.ask)().await?;
        let took = millis((self.0.steady)().saturating_sub(steady));
        // It was read some time between question and answer; the middle is off by half of that at most.
        let ours = before.unix_millis() + took / 2;
        Some(Heard {
            name: one.name,
            ahead: theirs.unix_millis() - ours,
            uncertain: took / 2 + millis(one.within),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Heard {
    name: &'static str,
    ahead: i64,
    uncertain: i64,
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

fn tolerance() -> i64 {
    millis(TOLERANCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scene {
        ours: Clock,
        theirs: Clock,
        steady: Clock,
        guard: ClockGuard,
    }

    fn start() -> Timestamp {
        "2026-11-21T00:00:00Z".parse().unwrap()
    }

    /// Two clocks and the steady one, all standing.
    fn scene() -> Scene {
        let clock = || Clock::manual(start());
        let (ours, theirs, steady) = (clock(), clock(), clock());
        let (asked, running) = (theirs.clone(), steady.clone());
        let reference = Reference::new("the database", move || {
            let now = asked.now();
            Box::pin(async move { Some(now) })
        });
        let steadily = move || running.now().since(start());
        let guard = ClockGuard::beside(ours.clone(), steadily, vec![reference]);
        Scene {
            ours,
            theirs,
            steady,
            guard,
        }
    }

    #[tokio::test]
    async fn f055_a_clock_that_differs_is_doubted_until_it_is_right_again() {
        let scene = scene();
        let second = Duration::from_secs(1);
        scene.guard.look().await;
        assert_eq!(scene.guard.doubt(), None);
        // Time goes on for everybody.
        let all = |by: Duration| {
            for clock in [&scene.ours, &scene.theirs, &scene.steady] {
                clock.advance(by).unwrap();
            }
        };
        all(second * 600);
        assert_eq!(
            scene.guard.doubt(),
            None,
            "stopped for ten minutes, and the clock is right"
        );
        scene.theirs.advance(second * 2).unwrap();
        scene.guard.look().await;
        assert_eq!(scene.guard.doubt(), None, "two seconds are within bounds");
        scene.theirs.advance(Duration::from_millis(100)).unwrap();
        scene.guard.look().await;
        let doubt = scene.guard.doubt().unwrap();
        assert_eq!(doubt, Doubt::Differs("the database", 2_100));
        let words = doubt.to_string();
        assert!(
            words.contains("2.1 s behind that of the database"),
            "{words}"
        );
        all(second);
        scene.guard.look().await;
        assert!(scene.guard.doubt().is_some());
        // NTP mends it: a step, towards the truth.
        scene.ours.advance(Duration::from_millis(2_100)).unwrap();
        assert!(scene.guard.doubt().is_some(), "not before it was compared");
        scene.guard.look().await;
        assert_eq!(scene.guard.doubt(), None);
    }

    #[tokio::test]
    async fn f055_a_step_is_noticed_before_the_next_look() {
        let scene = scene();
        let day = Duration::from_secs(86_400);
        scene.guard.look().await;
        scene.ours.advance(day).unwrap();
        assert_eq!(scene.guard.doubt(), Some(Doubt::Stepped(86_400_000)));
        scene.guard.look().await;
        let ahead = Doubt::Differs("the database", -86_400_000);
        assert_eq!(scene.guard.doubt(), Some(ahead));
        // The other was wrong, and follows.
        scene.theirs.advance(day).unwrap();
        scene.guard.look().await;
        assert_eq!(scene.guard.doubt(), None);
    }

    #[tokio::test]
    async fn f055_one_wrong_peer_of_three_and_silence_take_nobody_out() {
        let at = |name, time: Option<Timestamp>| {
            Reference::new(name, move || Box::pin(async move { time }))
        };
        let guard = |references| {
            let clock = Clock::manual(start());
            ClockGuard::beside(clock, || Duration::ZERO, references)
        };
        let wrong = start().plus(Duration::from_secs(3_600));
        let good = || at("billing", Some(start()));
        let doubts = [
            guard(vec![at("onboarding", Some(wrong)), good(), good()]),
            guard(vec![at("onboarding", Some(wrong)), good()]),
            guard(vec![at("onboarding", None)]),
            guard(Vec::new()),
        ];
        for one in doubts {
            one.look().await;
            assert_eq!(one.doubt(), None);
        }
    }

    #[tokio::test]
    async fn f055_an_answer_that_came_late_proves_nothing() {
        let steady = Clock::manual(start());
        let (running, passing) = (steady.clone(), steady);
        let late = Reference::new("the database", move || {
            passing.advance(Duration::from_secs(8)).unwrap();
            Box::pin(async { Some(start().plus(Duration::from_secs(3))) })
        });
        let steadily = move || running.now().since(start());
        let guard = ClockGuard::beside(Clock::manual(start()), steadily, vec![late]);
        guard.look().await;
        assert_eq!(guard.lock().doubt, None);
    }
}

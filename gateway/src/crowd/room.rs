//! How many requests may be under way, by how long they take.
//!
//! The room is full at a number that good days do not reach. While more come than it holds, and those inside take longer than they should,
//! it holds fewer: what is under way divides the same cores, so fewer take proportionally less time (Little's law), and as many are done. As soon as
//! answers are quick again, or nobody is refused, it widens.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// How often the number is thought over.
const WINDOW: Duration = Duration::from_millis(100);
/// From one window to the next it shrinks to a half at most, and grows by a quarter.
const SHRINK: usize = 2;
const GROW: usize = 4;
/// What took longer counts as so many times the goal: an export of a minute says nothing about the others.
const LONGEST: u32 = 4;

/// Places for requests.
#[derive(Debug)]
pub struct Room {
    least: usize,
    most: usize,
    /// How long a request under way should take on average while others are refused.
    goal: Duration,
    places: AtomicUsize,
    taken: AtomicUsize,
    window: Mutex<Window>,
}

/// What happened since the number was thought over.
#[derive(Debug)]
struct Window {
    begun: Instant,
    ended: u32,
    took: Duration,
    refused: u32,
}

/// A place in the room, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    room: Arc<Room>,
    begun: Option<Instant>,
}

impl Room {
    /// For `least` to `most` requests at once. A goal of zero: always `most`.
    #[must_use]
    pub fn new(least: usize, most: usize, goal: Duration, now: Instant) -> Arc<Self> {
        let most = most.max(1);
        Arc::new(Self {
            least: least.clamp(1, most),
            most,
            goal,
            places: AtomicUsize::new(most),
            taken: AtomicUsize::new(0),
            window: Mutex::new(Window::new(now)),
        })
    }

    /// How many it holds just now.
    #[must_use]
    pub fn places(&self) -> usize {
        self.places.load(Ordering::Relaxed)
    }

    /// A place, or none.
    pub(crate) fn enter(self: &Arc<Self>, now: Instant) -> Option<Place> {
        let places = self.places();
        let taken = self
            .taken
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |taken| {
                (taken < places).then_some(taken + 1)
            });
        if taken.is_ok() {
            return Some(Place {
                room: Arc::clone(self),
                begun: Some(now),
            });
        }
        self.note(now, |window| window.refused += 1);
        None
    }

    fn note(&self, now: Instant, what: impl FnOnce(&mut Window)) {
        if self.goal.is_zero() {
            return;
        }
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let since = now.saturating_duration_since(window.begun);
        if since >= WINDOW {
            let places = self.think(&window, since);
            self.places.store(places, Ordering::Relaxed);
            *window = Window::new(now);
        }
        what(&mut window);
    }

    /// How many from now on.
    fn think(&self, window: &Window, since: Duration) -> usize {
        // Nobody came for a while: what was is over.
        if since >= 10 * WINDOW {
            return self.most;
        }
        let places = self.places();
        let (fewest, widest) = (places.div_ceil(SHRINK), places + places.div_ceil(GROW));
        let places = if window.refused == 0 {
            widest
        } else if window.ended == 0 {
            fewest
        } else {
            // As many times more or fewer as the goal is longer or shorter than what a request took on average.
            let fit = places as u128 * self.goal.as_micros() * u128::from(window.ended)
                / window.took.as_micros().max(1);
            usize::try_from(fit)
                .unwrap_or(usize::MAX)
                .clamp(fewest, widest)
        };
        places.clamp(self.least, self.most)
    }
}

impl Window {
    const fn new(begun: Instant) -> Self {
        Self {
            begun,
            ended: 0,
            took: Duration::ZERO,
            refused: 0,
        }
    }
}

impl Place {
    /// Gives it back without saying how long it was needed.
    pub(crate) fn quit(mut self) {
        self.begun = None;
    }

    fn leave(&mut self, now: Instant) {
        self.room.taken.fetch_sub(1, Ordering::AcqRel);
        if let Some(begun) = self.begun {
            let took = now.saturating_duration_since(begun);
            let took = took.min(self.room.goal * LONGEST);
            self.room.note(now, |window| {
                window.ended += 1;
                window.took += took;
            });
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOAL: Duration = Duration::from_millis(80);
    const MILLISECOND: Duration = Duration::from_millis(1);

    /// A second's work for some requests at once: `rate` are done in a second whoever is inside, and whoever leaves is followed by another.
    fn crowd(
        room: &Arc<Room>,
        mut now: Instant,
        rate: u32,
        seconds: u32,
        wanting: usize,
    ) -> Instant {
        let mut inside = std::collections::VecDeque::new();
        let end = now + Duration::from_secs(1) * seconds;
        while now < end {
            now += Duration::from_secs(1) / rate;
            if let Some(mut place) = inside.pop_front() {
                Place::leave(&mut place, now);
                std::mem::forget(place);
            }
            while inside.len() < wanting {
                match room.enter(now) {
                    Some(place) => inside.push_back(place),
                    None => break,
                }
            }
        }
        for mut place in inside {
            place.begun = None;
            place.leave(now);
            std::mem::forget(place);
        }
        now
    }

    #[test]
    fn f087_of_too_many_so_many_are_taken_that_they_take_as_long_as_they_should() {
        let begun = Instant::now();
        for rate in [800, 1_500, 3_000] {
            let room = Room::new(8, 384, GOAL, begun);
            let now = crowd(&room, begun, rate, 5, 10_000);
            let took = room.places() * 1_000 / usize::try_from(rate).unwrap();
            assert!((50..130).contains(&took), "{rate}: {took} ms each");
            // Nobody is refused any more: it is as wide as before, soon.
            crowd(&room, now, rate, 4, 4);
            assert_eq!(room.places(), 384);
        }
    }

    #[test]
    fn those_it_holds_may_take_long_while_nobody_else_comes() {
        let begun = Instant::now();
        let room = Room::new(8, 384, GOAL, begun);
        crowd(&room, begun, 1_000, 5, 384);
        assert_eq!(room.places(), 384);
    }

    #[test]
    fn a_few_that_take_very_long_change_nothing_for_the_others() {
        let begun = Instant::now();
        let room = Room::new(8, 100, GOAL, begun);
        let long: Vec<Place> = (0..40).map_while(|_| room.enter(begun)).collect();
        crowd(&room, begun, 2_000, 5, 1_000);
        assert_eq!(room.places(), 100, "sixty others take 30 ms each");
        assert_eq!(long.len(), 40);
    }

    #[test]
    fn it_never_closes_and_opens_again_after_a_silence() {
        let begun = Instant::now();
        let room = Room::new(8, 384, GOAL, begun);
        let all: Vec<Place> = std::iter::from_fn(|| room.enter(begun)).collect();
        assert_eq!(all.len(), 384);
        let mut now = begun;
        for _ in 0..200 {
            now += 20 * MILLISECOND;
            assert!(room.enter(now).is_none());
        }
        assert_eq!(room.places(), 8);
        for mut place in all {
            place.begun = None;
            place.leave(now);
            std::mem::forget(place);
        }
        let place = room.enter(now).unwrap();
        let mut later = place;
        later.leave(now + Duration::from_secs(2));
        std::mem::forget(later);
        assert_eq!(room.places(), 384);
    }

    #[test]
    fn without_a_goal_the_number_stands() {
        let begun = Instant::now();
        let room = Room::new(1, 2, Duration::ZERO, begun);
        crowd(&room, begun, 10, 5, 100);
        assert_eq!(room.places(), 2);
    }

    #[test]
    fn a_reader_that_waits_gives_its_place_back_and_says_nothing() {
        let begun = Instant::now();
        let room = Room::new(1, 1, GOAL, begun);
        let place = room.enter(begun).unwrap();
        assert!(room.enter(begun).is_none());
        place.quit();
        assert!(room.enter(begun).is_some());
    }
}

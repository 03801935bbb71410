//! Death between every two steps of both life stories, in the one binary.
//!
//! What outlives a process changes in two ways only: a database commits, or octets leave through a socket. Both are heard without any
//! service knowing of it ([`child`]): every commit of every service by SQLite's own hook, named by service and tables, and the
//! client's and the webhooks' connections by proxies. So the steps need no list to be enumerated: the story is walked once and
//! tells them. Then it is walked again for each of them in a process that aborts right before it, started once more, and asked
//! for: the client repeats its request under the same Idempotency-Key, and in the end everything must be there, once. Reads (the
//! lists that are fetched, status look-ups) change nothing, so no step lies in them.
//!
//! A step that is new is found by itself; it fails the test until it is named in the table of its story, so that somebody has
//! looked at it.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test stops where it cannot go on, and its table is its result"
)]

mod support;

#[path = "crash/child.rs"]
mod child;
#[path = "crash/scene.rs"]
mod scene;
#[path = "crash/stories.rs"]
mod stories;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
    time::Instant,
};

use scene::Scene;
use stories::{REVOCATION, Story, VERIFICATION};

/// Walks at the same time, each with an installation of its own.
const SCENES: usize = 2;

#[test]
#[ignore = "the platform as the others start it, in a process of its own"]
fn platform() {
    child::run();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f068_f072_f078_f085_a_verification_survives_death_between_any_two_steps() {
    explore(&VERIFICATION).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f046_f068_f085_a_revocation_survives_death_between_any_two_steps() {
    explore(&REVOCATION).await;
}

/// A step, by its name and how many of that name there have been.
type Point = (String, usize);

/// Of steps of one name the first, the middle and the last: a list of each of dozens of municipalities is taken over alike.
fn points(steps: &[String]) -> Vec<Point> {
    let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
    for step in steps {
        *counts.entry(step).or_default() += 1;
    }
    let numbers = |count: usize| BTreeSet::from([1, count.div_ceil(2), count]);
    counts
        .into_iter()
        .flat_map(|(step, count)| {
            numbers(count)
                .into_iter()
                .map(move |number| (step.clone(), number))
        })
        .collect()
}

async fn explore(story: &'static Story) {
    let begun = Instant::now();
    let mut scenes = Vec::new();
    for _ in 0..SCENES {
        scenes.push(Scene::prepare().await);
    }
    let (steps, _) = scenes[0].walk(story, None).await;
    let named: BTreeSet<&str> = story.steps.iter().copied().collect();
    let found: BTreeSet<&str> = steps.iter().map(String::as_str).collect();
    assert_eq!(
        found, named,
        "the steps of the story are no longer those of its table:\n{steps:#?}"
    );

    let all = points(&steps);
    let (count, queue) = (all.len(), Mutex::new(all));
    let died = Mutex::new(BTreeSet::new());
    let walks = scenes.into_iter().map(|mut scene| {
        let (queue, died) = (&queue, &died);
        async move {
            loop {
                let next = queue.lock().unwrap().pop();
                let Some(point) = next else {
                    return;
                };
                // Work that runs side by side is batched as it comes: the third commit of a name is not there in every walk.
                if scene.walk(story, Some(&point)).await.1 {
                    died.lock().unwrap().insert(point);
                }
            }
        }
    });
    futures_util::future::join_all(walks).await;
    let died = died.into_inner().unwrap();
    let names: BTreeSet<&str> = died.iter().map(|(name, _)| name.as_str()).collect();
    println!(
        "{}: {} steps of {} names; died before {} of {count} points, each name among them; {:.0?}",
        story.title,
        steps.len(),
        named.len(),
        died.len(),
        begun.elapsed()
    );
    assert_eq!(names, named, "a step before which no walk died");
}

//! Random schedules of lists that arrive (complete, as deltas, partition by partition, late, out of order, again, damaged), of the clock,
//! of crashes and of processes that lag behind, held against a model that knows nothing but what was published.
//!
//! What must hold after every step, in every process: *revoked* never answers good once its version is in force, *stale* never answers
//! good, no answer mixes two versions, and numbers never go back. After a crash everything is as if the lists had been taken one by
//! one up to some point, and nothing between (F042, F044, F046, F048).
//!
//! `WARIKAN_SCHEDULES` sets the number of schedules. One that fails is kept in `schedules.proptest-regressions`, and from then on
//! played again before all others.

#![allow(clippy::unwrap_used, reason = "a test stops at what it cannot use")]

#[path = "schedules/model.rs"]
mod model;
#[path = "schedules/process.rs"]
mod process;
#[path = "schedules/world.rs"]
mod world;

use proptest::prelude::*;
use warikan_simulator::LifeEvent;
use world::World;

/// Citizens, spread over the municipalities.
pub const CITIZENS: usize = 6;
/// Municipalities, and so lists of a publication that concern them.
pub const PARTITIONS: usize = 3;

/// What happens to octets on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    None,
    /// One bit is another: at this part of 256 of the list.
    Flipped(u8),
    /// It ends there.
    Cut(u8),
}

#[derive(Debug, Clone)]
pub enum Step {
    /// Something befalls a citizen that revokes certificates, as far as there are any left.
    Happen(usize, LifeEvent),
    /// The agency publishes: a complete list of each partition, or deltas from an earlier publication.
    Publish {
        delta_from: Option<usize>,
    },
    /// Lists of a publication arrive: those of these partitions, each with what befell it.
    Deliver {
        publication: usize,
        partitions: [bool; PARTITIONS],
        damage: Damage,
    },
    /// The service looks at its source.
    Sync,
    /// The service is killed somewhere in the midst of a look, and started again.
    KilledAt(u16),
    Restart,
    Hours(u64),
    /// Another process of the service sees what this one has done.
    OtherLooks,
    /// A process that only follows asks for news.
    ReplicaAsks,
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        6 => Just(Damage::None),
        1 => any::<u8>().prop_map(Damage::Flipped),
        1 => any::<u8>().prop_map(Damage::Cut),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let events = prop_oneof![Just(LifeEvent::Lose), Just(LifeEvent::Hold)];
    // Mostly the newest.
    let publication = || prop_oneof![3 => Just(0_usize), 1 => 0..6_usize];
    let partitions = prop_oneof![2 => Just([true; PARTITIONS]), 1 => any::<[bool; PARTITIONS]>()];
    prop_oneof![
        3 => (0..CITIZENS, events).prop_map(|(citizen, event)| Step::Happen(citizen, event)),
        4 => proptest::option::weighted(0.4, publication())
            .prop_map(|delta_from| Step::Publish { delta_from }),
        6 => (publication(), partitions, damage()).prop_map(|(publication, partitions, damage)| {
            Step::Deliver { publication, partitions, damage }
        }),
        5 => Just(Step::Sync),
        2 => (0..400_u16).prop_map(Step::KilledAt),
        1 => Just(Step::Restart),
        2 => (1..30_u64).prop_map(Step::Hours),
        1 => Just(Step::OtherLooks),
        2 => Just(Step::ReplicaAsks),
    ]
}

fn schedules() -> u32 {
    let text = std::env::var("WARIKAN_SCHEDULES").ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(12)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: schedules(),
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    })]

    #[test]
    fn f042_f044_f046_f048_no_schedule_makes_revoked_or_stale_good(steps in prop::collection::vec(step(), 10..40)) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut world = World::new().await;
            for step in &steps {
                world.take(step).await;
                world.holds(step).await;
            }
            // Whatever has happened, the next good list settles everything.
            world.comes_to_rest().await;
        });
    }
}

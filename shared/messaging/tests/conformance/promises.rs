//! What every bus promises.

use std::collections::BTreeSet;

use warikan_messaging::{DELIVERY_LIMIT, Outgoing, PublishError, parked};

use crate::{
    databases::Kind,
    world::{Carrier, Fate, ONE, OTHER, Shape, Unheard, World},
};

/// Each case for each shape.
macro_rules! promises {
    ($($case:ident),* $(,)?) => {
        promises!(@shape in_process_on_sqlite, InProcess, Sqlite, $($case),*);
        promises!(@shape in_process_on_postgres, InProcess, Postgres, $($case),*);
        promises!(@shape rabbitmq_on_sqlite, RabbitMq, Sqlite, $($case),*);
        promises!(@shape rabbitmq_on_postgres, RabbitMq, Postgres, $($case),*);
    };
    (@shape $shape:ident, $carrier:ident, $database:ident, $($case:ident),*) => {
        mod $shape {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let shape = Shape { carrier: Carrier::$carrier, database: Kind::$database };
                    if let Some(world) = World::new(shape).await {
                        super::$case(&world).await;
                        world.end().await;
                    }
                }
            )*
        }
    };
}

promises!(
    every_listener_gets_each_fact_once_and_in_order,
    a_fact_that_nobody_listens_to_waits_for_nobody,
    f082_nothing_is_taken_while_the_bus_is_away_and_everything_afterwards,
    f072_facts_delivered_three_times_count_once,
    f083_poison_is_parked_with_its_reason_and_the_others_proceed,
    f083_an_unknown_version_is_parked,
    f085_two_relays_on_one_outbox,
    f072_a_consumer_that_dies_after_its_commit_doubles_nothing,
    a_parked_fact_is_replayed_when_an_operator_asks,
    an_effect_rolls_back_with_its_inbox_row,
);

fn numbers(to: u32) -> Vec<u32> {
    (1..=to).collect()
}

async fn every_listener_gets_each_fact_once_and_in_order(world: &World) {
    world.connect();
    world.tell(world.facts([Fate::Works; 700])).await;
    world
        .until("all arrived", async || {
            world.one.effects().await.len() >= 700 && world.other.effects().await.len() >= 700
        })
        .await;
    assert_eq!(world.one.effects().await, numbers(700));
    assert_eq!(world.other.effects().await, numbers(700));
    assert_eq!(world.waiting().await, 0);
}

async fn a_fact_that_nobody_listens_to_waits_for_nobody(world: &World) {
    world.connect();
    world.tell(vec![world.envelope(&Unheard {})]).await;
    assert_eq!(world.relay().drain().await.unwrap(), 1);
}

async fn f082_nothing_is_taken_while_the_bus_is_away_and_everything_afterwards(world: &World) {
    // In process, away is where nobody is connected yet.
    if let Some(broker) = &world.broker {
        broker.proxy.cut();
        world.connect();
    }
    for part in 0..3 {
        world.tell(world.facts([Fate::Works; 100])).await;
        for _ in 0..2 * DELIVERY_LIMIT / 3 {
            assert!(world.relay().drain().await.is_err(), "nobody takes it");
        }
        assert_eq!(world.waiting().await, 100 * (part + 1), "the outbox grows");
    }
    match &world.broker {
        Some(broker) => broker.proxy.mend(),
        None => world.connect(),
    }
    world
        .until("all arrived", async || {
            world.waiting().await == 0
                && world.one.effects().await.len() >= 300
                && world.other.effects().await.len() >= 300
        })
        .await;
    let all: Vec<u32> = (0..3).flat_map(|_| 1..=100).collect();
    assert_eq!(world.one.effects().await, all, "each once and in order");
    assert_eq!(world.other.effects().await, all);
    assert_eq!(
        parked::list(&world.one.database.db, None).await.unwrap(),
        []
    );
}

async fn f072_facts_delivered_three_times_count_once(world: &World) {
    world.connect();
    let facts = world.facts([Fate::Works; 200]);
    let batch: Vec<Outgoing> = facts
        .iter()
        .map(|envelope| Outgoing {
            envelope: envelope.clone(),
            attempt: 1,
        })
        .collect();
    for _ in 0..3 {
        let outcomes = world.bus.publish_all(&batch).await;
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    }
    // One more behind them: when it has arrived, so have they.
    world.tell(world.facts([Fate::Works; 1])).await;
    world
        .until("all arrived", async || {
            world.one.effects().await.len() >= 201 && world.other.effects().await.len() >= 201
        })
        .await;
    let mut all = numbers(200);
    all.push(1);
    assert_eq!(world.one.effects().await, all);
    assert_eq!(world.other.effects().await, all);
}

async fn f083_poison_is_parked_with_its_reason_and_the_others_proceed(world: &World) {
    world.connect();
    let mut fates = [Fate::Works; 60];
    (fates[10], fates[20], fates[30]) = (Fate::Parks, Fate::Panics, Fate::Fails);
    world.tell(world.facts(fates)).await;
    world
        .until("all are somewhere", async || {
            let parked = parked::list(&world.one.database.db, Some(ONE))
                .await
                .unwrap();
            world.one.effects().await.len() == 57 && parked.len() == 3
        })
        .await;
    let good: BTreeSet<u32> = (1..=60).filter(|n| ![11, 21, 31].contains(n)).collect();
    assert_eq!(world.one.effect_set().await, good);
    let reasons: Vec<String> = parked::list(&world.one.database.db, None)
        .await
        .unwrap()
        .into_iter()
        .map(|message| message.reason)
        .collect();
    assert_eq!(reasons[0], "never");
    assert!(
        reasons[1].contains("given up after 10 tries"),
        "{reasons:?}"
    );
    assert!(reasons[1].contains("fact 21 makes it panic"), "{reasons:?}");
    assert!(reasons[2].contains("not now"), "{reasons:?}");
    world
        .until("nothing waits", async || world.waiting().await == 0)
        .await;
}

async fn f083_an_unknown_version_is_parked(world: &World) {
    world.connect();
    let mut facts = world.facts([Fate::Works; 3]);
    facts[1].version = 9;
    world.tell(facts.clone()).await;
    world
        .until("all are somewhere", async || {
            let parked = parked::list(&world.other.database.db, Some(OTHER))
                .await
                .unwrap();
            world.other.effects().await.len() == 2 && parked.len() == 1
        })
        .await;
    let parked = parked::list(&world.other.database.db, Some(OTHER))
        .await
        .unwrap();
    assert_eq!(parked[0].envelope().unwrap(), facts[1]);
    assert!(parked[0].reason.contains("version 9"), "{parked:?}");
}

async fn f085_two_relays_on_one_outbox(world: &World) {
    world.connect();
    world.tell(world.facts([Fate::Works; 1_500])).await;
    let (one, other) = (world.relay(), world.relay());
    let (sent, also) = tokio::join!(one.drain(), other.drain());
    assert_eq!(sent.unwrap() + also.unwrap(), 1_500, "no fact by both");
    world
        .until("all arrived", async || {
            world.one.effects().await.len() >= 1_500
        })
        .await;
    assert_eq!(world.one.effect_set().await.len(), 1_500);
}

async fn f072_a_consumer_that_dies_after_its_commit_doubles_nothing(world: &World) {
    world.one.handler.gate.forget_permits(1_000_000);
    world.connect();
    world.tell(world.facts([Fate::Works; 20])).await;
    let relay = world.relay();
    let relaying = tokio::spawn(async move { relay.drain().await });
    // Committed, and nobody has been told: in process not the relay, over a broker not the broker.
    while world.one.effects().await.is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    match &world.broker {
        Some(broker) => {
            relaying.await.unwrap().unwrap();
            broker.proxy.cut();
        }
        None => relaying.abort(),
    }
    world.one.handler.gate.add_permits(1_000_000);
    if let Some(broker) = &world.broker {
        broker.proxy.mend();
    }
    // One more behind them: when it has arrived, so have they, again.
    world.tell(world.facts([Fate::Works; 1])).await;
    world
        .until("all arrived", async || {
            world.one.effects().await.len() >= 21
                && world.other.effects().await.len() >= 21
                && world.waiting().await == 0
        })
        .await;
    let mut all = numbers(20);
    all.push(1);
    let mut effects = world.one.effects().await;
    effects.sort_unstable();
    all.sort_unstable();
    assert_eq!(effects, all);
}

async fn a_parked_fact_is_replayed_when_an_operator_asks(world: &World) {
    world.connect();
    let facts = world.facts([Fate::Parks, Fate::Works, Fate::Parks]);
    world.tell(facts.clone()).await;
    let db = &world.one.database.db;
    world
        .until("both are parked, twice", async || {
            let all = [&world.one, &world.other].map(|it| &it.database.db);
            parked::list(all[0], None).await.unwrap().len() == 2
                && parked::list(all[1], None).await.unwrap().len() == 2
        })
        .await;
    assert_eq!(world.bus.replay().await.unwrap(), 0, "nobody asked");

    let first = Some(facts[0].id.uuid());
    assert_eq!(
        parked::request_replay(db, Some(ONE), first).await.unwrap(),
        1
    );
    assert_eq!(
        world.bus.replay().await.unwrap(),
        0,
        "the cause is still there"
    );
    let rows = parked::list(db, None).await.unwrap();
    assert_eq!(rows.len(), 2);
    assert!(rows[0].reason.contains("replay failed"), "{rows:?}");
    assert!(!rows[0].replay_requested, "to be asked for again");

    world.one.mend();
    assert_eq!(parked::request_replay(db, None, first).await.unwrap(), 1);
    assert!(parked::list(db, None).await.unwrap()[0].replay_requested);
    assert_eq!(world.bus.replay().await.unwrap(), 1);
    assert_eq!(world.one.effects().await, [2, 1]);
    assert_eq!(parked::request_replay(db, None, None).await.unwrap(), 1);
    assert_eq!(world.bus.replay().await.unwrap(), 1);
    assert_eq!(world.one.effects().await, [2, 1, 3]);
    assert_eq!(parked::list(db, None).await.unwrap(), []);
    let others = parked::list(&world.other.database.db, None).await.unwrap();
    assert_eq!(others.len(), 2, "another consumer's stay");

    // What a late delivery brings once more is known by now.
    world.bus.publish(&facts[0], 1).await.unwrap();
    world.tell(world.facts([Fate::Works; 4])).await;
    world
        .until("the ones behind it arrived", async || {
            world.one.effects().await.len() >= 7
        })
        .await;
    assert_eq!(world.one.effects().await, [2, 1, 3, 1, 2, 3, 4]);
}

async fn an_effect_rolls_back_with_its_inbox_row(world: &World) {
    world.connect();
    world.tell(world.facts([Fate::Fails])).await;
    world
        .until("given up", async || {
            let parked = parked::list(&world.one.database.db, None).await.unwrap();
            parked.len() == 1
        })
        .await;
    assert_eq!(world.one.effects().await, [0; 0], "ten tries left nothing");
    assert!(!matches!(
        world.bus.publish(&world.facts([Fate::Works])[0], 1).await,
        Err(PublishError::NotTaken(_))
    ));
}

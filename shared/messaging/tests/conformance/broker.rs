//! What only a broker can do wrong.

use std::{collections::BTreeSet, time::Duration};

use lapin::{
    BasicProperties, Channel,
    options::{
        BasicGetOptions, BasicNackOptions, BasicPublishOptions, ConfirmSelectOptions,
        ExchangeDeclareOptions, QueueDeclareOptions, QueueDeleteOptions,
    },
    types::{AMQPValue, FieldTable},
};
use warikan_messaging::{PublishError, parked};

use crate::{
    databases::Kind,
    world::{Carrier, Fate, ONE, Shape, Told, World},
};

const SHAPE: Shape = Shape {
    carrier: Carrier::RabbitMq,
    database: Kind::Sqlite,
};

macro_rules! world {
    () => {
        match World::new(SHAPE).await {
            Some(world) => world,
            None => return,
        }
    };
}

/// As another system would publish, or a version of ours that has gone wrong.
async fn publish(channel: &Channel, world: &World, data: &[u8]) {
    let broker = world.broker.as_ref().unwrap();
    let exchange = format!("{}.facts", broker.prefix);
    let key = <Told as warikan_contracts::Fact>::TYPE;
    let publishing = channel.basic_publish(
        exchange.into(),
        key.into(),
        BasicPublishOptions::default(),
        data,
        BasicProperties::default(),
    );
    publishing.await.unwrap().await.unwrap();
}

async fn declared(world: &World) -> Channel {
    // The first publication declares everything.
    let first = world.facts([Fate::Works]).remove(0);
    world.bus.publish(&first, 1).await.unwrap();
    let channel = world.broker.as_ref().unwrap().channel().await;
    let confirms = ConfirmSelectOptions::default();
    channel.confirm_select(confirms).await.unwrap();
    channel
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fact_waits_for_listeners_that_were_never_started() {
    let world = world!();
    world.tell(world.facts([Fate::Works; 50])).await;
    assert_eq!(world.relay().drain().await.unwrap(), 50);
    // The publishing process is gone before another consumes.
    world.bus.close().await;
    let consuming = world.broker.as_ref().unwrap().bus();
    consuming.connect(vec![world.one.consumer()]);
    world
        .until("all arrived", async || {
            world.one.effects().await.len() == 50
        })
        .await;
    consuming.close().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f083_what_is_no_fact_is_parked_as_it_is() {
    let world = world!();
    let channel = declared(&world).await;
    let huge = vec![b'x'; 20 << 20];
    let odd: [&[u8]; 4] = [b"no json", b"\xff\xfe\x00", b"\"a\\u0000b\"", &huge];
    for data in odd {
        publish(&channel, &world, data).await;
        publish(&channel, &world, data).await;
    }
    world.tell(world.facts([Fate::Works; 5])).await;
    world.connect();
    let db = &world.one.database.db;
    world
        .until("all are somewhere", async || {
            let parked = parked::list(db, None).await.unwrap();
            world.one.effects().await.len() == 6 && parked.len() == 4
        })
        .await;
    let parked = parked::list(db, None).await.unwrap();
    let messages: BTreeSet<&str> = parked.iter().map(|it| it.message.as_str()).collect();
    assert!(messages.contains("no json"));
    assert!(messages.contains("hex:fffe00"));
    assert!(messages.iter().any(|message| message.len() == huge.len()));
    let reasons: Vec<&str> = parked.iter().map(|it| it.reason.as_str()).collect();
    assert!(
        reasons.iter().any(|it| it.contains("20971520 octets")),
        "{reasons:?}"
    );
    // Asked for, they fail in words and stay.
    parked::request_replay(db, None, None).await.unwrap();
    assert_eq!(world.bus.replay().await.unwrap(), 0);
    let parked = parked::list(db, None).await.unwrap();
    assert!(
        parked.iter().all(|it| it.reason.contains("no envelope")),
        "{parked:?}"
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f083_a_fact_too_long_for_the_bus_is_refused_alone() {
    let world = world!();
    let mut facts = world.facts([Fate::Works; 3]);
    facts[1].aggregate = "x".repeat(2 << 20);
    world.connect();
    world.tell(facts).await;
    assert_eq!(world.relay().drain().await.unwrap(), 2);
    assert_eq!(world.waiting().await, 1, "it stays where it can be seen");
    world
        .until("the others arrived", async || {
            world.one.effects().await == [1, 3]
        })
        .await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f083_what_kills_its_consumer_is_parked_through_the_dead_letter_queue() {
    let world = world!();
    world
        .bus
        .publish(&world.facts([Fate::Works])[0], 1)
        .await
        .unwrap();
    let broker = world.broker.as_ref().unwrap();
    let channel = broker.channel().await;
    let queue = format!("{}.{ONE}", broker.prefix);
    let mut deliveries = 0;
    // A process that dies of it never answers: the broker sees what it sees here.
    loop {
        let get = channel.basic_get(queue.as_str().into(), BasicGetOptions::default());
        let Some(message) = get.await.unwrap() else {
            break;
        };
        deliveries += 1;
        assert!(deliveries <= 30, "the limit does not work");
        let requeue = BasicNackOptions {
            requeue: true,
            ..BasicNackOptions::default()
        };
        message.nack(requeue).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(deliveries, 21, "the first, and twenty more");
    world.connect();
    let db = &world.one.database.db;
    world
        .until("parked", async || {
            parked::list(db, None).await.unwrap().len() == 1
        })
        .await;
    let parked = parked::list(db, None).await.unwrap();
    assert!(parked[0].reason.contains("delivery_limit"), "{parked:?}");
    parked::request_replay(db, None, None).await.unwrap();
    assert_eq!(world.bus.replay().await.unwrap(), 1);
    assert_eq!(world.one.effects().await, [1]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f082_a_broker_that_hangs_is_left_and_found_again() {
    let world = world!();
    let broker = world.broker.as_ref().unwrap();
    world.connect();
    world.tell(world.facts([Fate::Works; 10])).await;
    world
        .until("all arrived", async || {
            world.one.effects().await.len() == 10
        })
        .await;
    broker.proxy.hold();
    world.tell(world.facts([Fate::Works; 300])).await;
    let hanging = tokio::time::Instant::now();
    assert!(world.relay().drain().await.is_err(), "no confirm comes");
    assert!(
        hanging.elapsed() < Duration::from_secs(10),
        "and it is not waited for for ever"
    );
    assert_eq!(
        world.waiting().await,
        300,
        "nothing unconfirmed counts as sent"
    );
    broker.proxy.cut();
    assert!(world.relay().drain().await.is_err());
    broker.proxy.mend();
    world
        .until("all arrived", async || {
            world.waiting().await == 0 && world.one.effects().await.len() >= 310
        })
        .await;
    let mut effects = world.one.effects().await;
    assert_eq!(
        effects.len(),
        310,
        "what hung on the way and was sent again counts once"
    );
    effects.drain(..10);
    effects.sort_unstable();
    assert_eq!(effects, (1..=300).collect::<Vec<_>>());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f082_the_wire_is_cut_again_and_again_under_load() {
    let world = world!();
    let broker = world.broker.as_ref().unwrap();
    world.connect();
    for round in 1..=6 {
        world.tell(world.facts([Fate::Works; 400])).await;
        let relay = world.relay();
        let relaying = tokio::spawn(async move { relay.drain().await });
        // At another point of the way each time.
        tokio::time::sleep(Duration::from_millis(7 * round)).await;
        broker.proxy.cut();
        let _ = relaying.await.unwrap();
        broker.proxy.mend();
    }
    world
        .until("all arrived", async || {
            world.waiting().await == 0
                && world.one.effects().await.len() >= 2_400
                && world.other.effects().await.len() >= 2_400
        })
        .await;
    for listener in [&world.one, &world.other] {
        let mut effects = listener.effects().await;
        effects.sort_unstable();
        let all: Vec<u32> = (1..=400).flat_map(|number| [number; 6]).collect();
        assert!(effects == all, "{} effects of 2400", effects.len());
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f084_queues_are_quorum_durable_limited_and_have_a_dead_letter_exchange() {
    let world = world!();
    drop(declared(&world).await);
    let broker = world.broker.as_ref().unwrap();
    let dead = format!("{}.dead", broker.prefix);
    let text = |value: &str| AMQPValue::LongString(value.into());
    let right = |consumer: &str| {
        vec![
            ("x-queue-type", text("quorum")),
            ("x-delivery-limit", AMQPValue::LongLongInt(20)),
            ("x-dead-letter-exchange", text(&dead)),
            ("x-dead-letter-routing-key", text(consumer)),
            ("x-dead-letter-strategy", text("at-least-once")),
            ("x-overflow", text("reject-publish")),
        ]
    };
    let queue = format!("{}.{ONE}", broker.prefix);
    // The broker compares a declaration with what is there: the same is accepted, and any difference closes the channel.
    let accepted = declare(&broker.channel().await, &queue, true, right(ONE)).await;
    accepted.unwrap();
    for left_out in 0..6 {
        let mut arguments = right(ONE);
        let (name, _) = arguments.remove(left_out);
        let refused = declare(&broker.channel().await, &queue, true, arguments).await;
        assert!(refused.is_err(), "{name} is not set");
    }
    let dead_queue = format!("{queue}.dead");
    let quorum = vec![
        ("x-queue-type", text("quorum")),
        ("x-delivery-limit", AMQPValue::LongLongInt(1_000_000_000)),
    ];
    let accepted = declare(&broker.channel().await, &dead_queue, true, quorum).await;
    accepted.unwrap();
    for (name, kind) in [
        ("facts", lapin::ExchangeKind::Topic),
        ("dead", lapin::ExchangeKind::Direct),
    ] {
        let exchange = format!("{}.{name}", broker.prefix);
        for durable in [true, false] {
            let options = ExchangeDeclareOptions {
                durable,
                ..ExchangeDeclareOptions::default()
            };
            let answer = broker
                .channel()
                .await
                .exchange_declare(
                    exchange.as_str().into(),
                    kind.clone(),
                    options,
                    FieldTable::default(),
                )
                .await;
            assert_eq!(answer.is_ok(), durable, "{name}: {answer:?}");
        }
    }
    world.end().await;
}

async fn declare(
    channel: &Channel,
    queue: &str,
    durable: bool,
    arguments: Vec<(&str, AMQPValue)>,
) -> lapin::Result<lapin::Queue> {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        table.insert(name.into(), value);
    }
    let options = QueueDeclareOptions {
        durable,
        ..QueueDeclareOptions::default()
    };
    channel.queue_declare(queue.into(), options, table).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f084_messages_are_persistent_and_stay_until_they_are_acknowledged() {
    let world = world!();
    world
        .bus
        .publish(&world.facts([Fate::Works])[0], 1)
        .await
        .unwrap();
    let broker = world.broker.as_ref().unwrap();
    let channel = broker.channel().await;
    let queue = format!("{}.{ONE}", broker.prefix);
    let get = channel.basic_get(queue.as_str().into(), BasicGetOptions::default());
    let message = get.await.unwrap().unwrap();
    assert_eq!(message.properties.delivery_mode(), &Some(2));
    drop(channel);
    // A consumer that has committed and not yet answered: the message is unacknowledged, not gone.
    world.one.handler.gate.forget_permits(1_000_000);
    world.connect();
    world
        .until("committed", async || world.one.effects().await == [1])
        .await;
    broker.proxy.cut();
    let channel = broker.channel().await;
    let again = async || {
        let get = channel.basic_get(queue.as_str().into(), BasicGetOptions::default());
        let message = get.await.unwrap();
        message.is_some_and(|message| message.redelivered)
    };
    world.until("it is in its queue again", again).await;
    broker.proxy.mend();
    world.one.handler.gate.add_permits(1_000_000);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f082_a_returned_message_is_a_failure_and_the_queues_come_back() {
    let world = world!();
    let channel = declared(&world).await;
    for queue in world.broker.as_ref().unwrap().queues() {
        let removed = channel
            .queue_delete(queue.into(), QueueDeleteOptions::default())
            .await;
        removed.unwrap();
    }
    let fact = world.facts([Fate::Works]).remove(0);
    let refused = world.bus.publish(&fact, 1).await;
    assert!(
        matches!(&refused, Err(PublishError::NotTaken(why)) if why[0].contains("no queue")),
        "{refused:?}"
    );
    world.bus.publish(&fact, 2).await.unwrap();
    world.connect();
    world
        .until("it arrived", async || world.one.effects().await == [1])
        .await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f085_two_processes_of_each_kind_share_the_work() {
    let world = world!();
    let broker = world.broker.as_ref().unwrap();
    let (first, second) = (broker.bus(), broker.bus());
    let (one, also_one) = (world.one.consumer(), world.one.consumer());
    first.connect(vec![one.clone(), world.other.consumer()]);
    second.connect(vec![also_one.clone()]);
    world.tell(world.facts([Fate::Works; 3_000])).await;
    let relay = |bus: &warikan_messaging::Bus| {
        warikan_messaging::Relay::new(world.outbox.db.clone(), bus.clone(), world.clock.clone())
    };
    let (left, right) = (relay(&first), relay(&second));
    let (sent, also) = tokio::join!(left.drain(), right.drain());
    assert_eq!(sent.unwrap() + also.unwrap(), 3_000);
    world
        .until("all arrived", async || {
            world.one.effects().await.len() >= 3_000
        })
        .await;
    assert_eq!(world.one.effect_set().await.len(), 3_000);
    let shares = (one.counts().taken, also_one.counts().taken);
    assert_eq!(shares.0 + shares.1, 3_000);
    assert!(shares.0 > 0 && shares.1 > 0, "{shares:?}");
    first.close().await;
    second.close().await;
    world.end().await;
}

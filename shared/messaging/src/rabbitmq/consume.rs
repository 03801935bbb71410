//! A consumer's side: batches of what lies ready, acknowledged after the commit.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use lapin::{
    Channel, Connection,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions},
    types::FieldTable,
};
use tokio::{sync::watch, time::sleep};
use warikan_contracts::Subscription;

use crate::{Consumer, take::Untaken};

use super::{
    dead_letters,
    link::{Away, Link},
    message::Message,
};

/// Messages in one transaction.
const BATCH: usize = 256;
/// Between two tries to reach the broker, or a database that does not work: doubling from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// The longest a failed fact waits before it goes back to its queue.
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// Consumes until told to stop, over as many connections as it takes.
pub(super) async fn run(link: Arc<Link>, consumer: Consumer, mut stop: watch::Receiver<bool>) {
    let mut pause = Pause::default();
    loop {
        let session = Session {
            link: &link,
            consumer: &consumer,
        };
        let ended = session.run(stop.clone(), &mut pause).await;
        if *stop.borrow() {
            return;
        }
        let away = ended
            .err()
            .unwrap_or_else(|| Away("the broker ended it".to_owned()));
        tracing::warn!(consumer = consumer.name, %away, "no connection to the broker; trying again");
        tokio::select! {
            () = pause.wait() => {}
            () = told_to_stop(&mut stop) => return,
        }
    }
}

/// A pause that doubles until something succeeds.
#[derive(Default)]
pub(super) struct Pause(u32);

impl Pause {
    pub(super) async fn wait(&mut self) {
        let (first, last) = PAUSES;
        sleep(last.min(first * (1 << self.0.min(10)))).await;
        self.0 += 1;
    }

    const fn over(&mut self) {
        self.0 = 0;
    }
}

/// One connection's life.
struct Session<'a> {
    link: &'a Link,
    consumer: &'a Consumer,
}

/// Facts that failed, on their way back to their queue.
type Returning = FuturesUnordered<BoxFuture<'static, Result<bool, lapin::Error>>>;

impl Session<'_> {
    async fn run(&self, mut stop: watch::Receiver<bool>, pause: &mut Pause) -> Result<(), Away> {
        let opening = self.open();
        let (connection, channel, dead) = tokio::select! {
            opened = opening => opened?,
            () = told_to_stop(&mut stop) => return Ok(()),
        };
        pause.over();
        tracing::info!(
            consumer = self.consumer.name,
            "connected to the broker, to consume"
        );
        let ended = tokio::select! {
            ended = self.take_all(&channel, stop.clone()) => ended,
            ended = dead_letters::drain(self.link, self.consumer, &dead, stop) => ended,
        };
        let closing = connection.close(200, "OK".into());
        // A connection that failed needs no goodbye.
        let _ = tokio::time::timeout(self.link.timeout(), closing).await;
        ended
    }

    async fn open(&self) -> Result<(Connection, Channel, Channel), Away> {
        let connection = self.link.open(self.consumer.name).await?;
        let channel = connection.create_channel().await?;
        let topology = &self.link.topology;
        topology.declare_exchanges(&channel).await?;
        let own = Subscription {
            consumer: self.consumer.name,
            types: self.consumer.types,
        };
        topology.declare(&channel, &own).await?;
        let dead = connection.create_channel().await?;
        Ok((connection, channel, dead))
    }

    async fn take_all(
        &self,
        channel: &Channel,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), Away> {
        let queue = self.link.topology.queue(self.consumer.name);
        let mut messages = consume(channel, &queue, self.link.config.prefetch).await?;
        let mut returning = Returning::new();
        loop {
            let first = tokio::select! {
                biased;
                () = told_to_stop(&mut stop) => return Ok(()),
                Some(returned) = returning.next() => {
                    returned?;
                    continue;
                }
                message = messages.next() => message,
            };
            let Some(first) = first else {
                return Err(Away("the broker ended the subscription".to_owned()));
            };
            let mut batch = vec![first?];
            while batch.len() < BATCH {
                match messages.next().now_or_never() {
                    Some(Some(message)) => batch.push(message?),
                    Some(None) | None => break,
                }
            }
            self.take(batch, &mut returning, &mut stop).await?;
        }
    }

    async fn take(
        &self,
        batch: Vec<Delivery>,
        returning: &mut Returning,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<(), Away> {
        let (mut facts, mut envelopes, mut attempts) = (Vec::new(), Vec::new(), Vec::new());
        let mut done = Vec::with_capacity(batch.len());
        for delivery in batch {
            match Message::read(&delivery) {
                Message::Fact { envelope, attempt } if self.consumer.wants(&envelope.fact_type) => {
                    facts.push(delivery);
                    envelopes.push(*envelope);
                    attempts.push(attempt);
                }
                // A binding from before the consumer stopped listening to it.
                Message::Fact { .. } => done.push(delivery),
                Message::Odd {
                    event,
                    text,
                    reason,
                } => {
                    let mut pause = Pause::default();
                    while let Err(error) =
                        self.consumer.park_text(event, text.clone(), &reason).await
                    {
                        tracing::warn!(consumer = self.consumer.name, %error, "database does not work; waiting");
                        wait_or_stop(&mut pause, stop).await?;
                    }
                    done.push(delivery);
                }
            }
        }
        let mut from = 0;
        let mut pause = Pause::default();
        let mut facts = facts.into_iter();
        while from < envelopes.len() {
            let outcomes = self
                .consumer
                .take(&envelopes[from..], &attempts[from..])
                .await;
            for outcome in outcomes {
                match outcome {
                    Ok(()) => done.extend(facts.next()),
                    Err(Untaken::Failed(why)) => {
                        let attempt = attempts[from];
                        tracing::warn!(consumer = self.consumer.name, event = %envelopes[from].id, attempt, why, "fact failed; to be tried again");
                        if let Some(delivery) = facts.next() {
                            returning.push(self.give_back(delivery, attempt));
                        }
                    }
                    // This one and all behind it. They are held, and the broker counts nothing.
                    Err(Untaken::Unavailable(why)) => {
                        tracing::warn!(
                            consumer = self.consumer.name,
                            why,
                            "waiting for the database"
                        );
                        acknowledge(std::mem::take(&mut done), false).await?;
                        wait_or_stop(&mut pause, stop).await?;
                        break;
                    }
                }
                from += 1;
            }
        }
        let nothing_else_is_held = returning.is_empty();
        acknowledge(done, nothing_else_is_held).await
    }

    fn give_back(
        &self,
        delivery: Delivery,
        attempt: i32,
    ) -> BoxFuture<'static, Result<bool, lapin::Error>> {
        let doublings = u32::try_from(attempt - 1).unwrap_or(0).min(16);
        let pause = Duration::from_millis(self.link.config.retry_ms << doublings);
        async move {
            sleep(pause.min(LONGEST_RETRY)).await;
            let back = BasicNackOptions {
                requeue: true,
                ..BasicNackOptions::default()
            };
            delivery.nack(back).await
        }
        .boxed()
    }
}

/// Resolves when the bus is being closed, or is gone.
pub(super) async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    // An error says that the sender is gone.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// An error where the bus is being closed: what is held is delivered again.
pub(super) async fn wait_or_stop(
    pause: &mut Pause,
    stop: &mut watch::Receiver<bool>,
) -> Result<(), Away> {
    tokio::select! {
        () = pause.wait() => Ok(()),
        () = told_to_stop(stop) => Err(Away("closed".to_owned())),
    }
}

/// Starts a subscription with manual acknowledgement and a bounded number of messages under way.
pub(super) async fn consume(
    channel: &Channel,
    queue: &str,
    prefetch: u16,
) -> Result<lapin::Consumer, Away> {
    channel
        .basic_qos(prefetch, BasicQosOptions::default())
        .await?;
    let manually = BasicConsumeOptions {
        no_ack: false,
        ..BasicConsumeOptions::default()
    };
    let tag = "".into();
    Ok(channel
        .basic_consume(queue.into(), tag, manually, FieldTable::default())
        .await?)
}

/// With one frame where nothing is held that came before; that also acknowledges everything before it.
async fn acknowledge(done: Vec<Delivery>, nothing_else_is_held: bool) -> Result<(), Away> {
    let ack = |multiple| BasicAckOptions { multiple };
    if nothing_else_is_held {
        if let Some(last) = done.iter().max_by_key(|delivery| delivery.delivery_tag) {
            last.ack(ack(true)).await?;
        }
        return Ok(());
    }
    for delivery in done {
        delivery.ack(ack(false)).await?;
    }
    Ok(())
}

//! What the broker gave up on is moved to the parked messages: the only place where an operator has to look.

use futures_util::StreamExt;
use lapin::{Channel, options::BasicAckOptions};
use tokio::sync::watch;

use crate::Consumer;

use super::{
    consume::{Pause, consume, told_to_stop, wait_or_stop},
    link::{Away, Link},
    message::{Message, cause_of_death},
};

/// Few at a time: they are rare, and may be large.
const PREFETCH: u16 = 16;

pub(super) async fn drain(
    link: &Link,
    consumer: &Consumer,
    channel: &Channel,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Away> {
    let queue = link.topology.dead_queue(consumer.name);
    let mut letters = consume(channel, &queue, PREFETCH).await?;
    loop {
        let letter = tokio::select! {
            biased;
            // The facts' side decides when the session ends.
            () = told_to_stop(&mut stop) => return std::future::pending().await,
            letter = letters.next() => letter,
        };
        let Some(letter) = letter else {
            return Err(Away("the broker ended the subscription".to_owned()));
        };
        let letter = letter?;
        let mut pause = Pause::default();
        loop {
            let cause = cause_of_death(&letter);
            let parked = match Message::read(&letter) {
                Message::Fact { envelope, .. } => consumer.park(&envelope, &cause).await,
                Message::Odd {
                    event,
                    text,
                    reason,
                } => {
                    let reason = format!("{cause}; {reason}");
                    consumer.park_text(event, text, &reason).await
                }
            };
            match parked {
                Ok(()) => break,
                Err(error) => {
                    tracing::warn!(consumer = consumer.name, %error, "a dead letter waits for the database");
                    wait_or_stop(&mut pause, &mut stop).await?;
                }
            }
        }
        letter.ack(BasicAckOptions::default()).await?;
    }
}

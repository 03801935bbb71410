//! Facts as messages.

use lapin::{BasicProperties, message::Delivery, types::AMQPValue};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use warikan_contracts::Envelope;

/// Octets of a fact at most. Ours have a few hundred; the bound keeps a prefetched window in memory, and the broker from closing the
/// channel over one.
pub(super) const LONGEST: usize = 1 << 20;

/// Kept on disk by the broker (AMQP 0-9-1: delivery mode 2).
const PERSISTENT: u8 = 2;

pub(super) fn properties(envelope: &Envelope) -> BasicProperties {
    BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type("application/json".into())
        .with_message_id(envelope.id.uuid().to_string().into())
        .with_type(envelope.fact_type.as_str().into())
}

/// What came, read.
pub(super) enum Message {
    Fact {
        envelope: Box<Envelope>,
        /// Which delivery this is, from 1.
        attempt: i32,
    },
    /// To be put aside as it is.
    Odd {
        event: Uuid,
        text: String,
        reason: String,
    },
}

impl Message {
    pub(super) fn read(delivery: &Delivery) -> Self {
        let length = delivery.data.len();
        if length > LONGEST {
            let reason = format!("the message has {length} octets; a fact has {LONGEST} at most");
            return Self::odd(delivery, reason);
        }
        match serde_json::from_slice::<Envelope>(&delivery.data) {
            Ok(envelope) => Self::Fact {
                envelope: Box::new(envelope),
                attempt: attempt(delivery),
            },
            Err(error) => Self::odd(delivery, format!("the message is no envelope: {error}")),
        }
    }

    fn odd(delivery: &Delivery, reason: String) -> Self {
        // An envelope that is only too long keeps its id.
        let event = serde_json::from_slice::<Envelope>(&delivery.data)
            .map_or_else(|_| digest(&delivery.data), |envelope| envelope.id.uuid());
        Self::Odd {
            event,
            text: text(&delivery.data),
            reason,
        }
    }
}

/// The broker counts the deliveries before this one that were not acknowledged.
fn attempt(delivery: &Delivery) -> i32 {
    let before = header(delivery, "x-delivery-count")
        .and_then(integer)
        .unwrap_or(0);
    i32::try_from(before.saturating_add(1)).unwrap_or(i32::MAX)
}

/// Why the broker gave up on a dead letter, in words.
pub(super) fn cause_of_death(delivery: &Delivery) -> String {
    let why = header(delivery, "x-first-death-reason")
        .and_then(|value| match value {
            AMQPValue::LongString(text) => {
                Some(String::from_utf8_lossy(text.as_bytes()).into_owned())
            }
            AMQPValue::ShortString(text) => Some(text.to_string()),
            _ => None,
        })
        .unwrap_or_else(|| "unknown".to_owned());
    format!("the broker gave up delivering it: {why}")
}

fn header<'a>(delivery: &'a Delivery, name: &str) -> Option<&'a AMQPValue> {
    delivery.properties.headers().as_ref()?.inner().get(name)
}

fn integer(value: &AMQPValue) -> Option<i64> {
    match *value {
        AMQPValue::ShortShortInt(it) => Some(it.into()),
        AMQPValue::ShortShortUInt(it) => Some(it.into()),
        AMQPValue::ShortInt(it) => Some(it.into()),
        AMQPValue::ShortUInt(it) => Some(it.into()),
        AMQPValue::LongInt(it) => Some(it.into()),
        AMQPValue::LongUInt(it) => Some(it.into()),
        AMQPValue::LongLongInt(it) => Some(it),
        _ => None,
    }
}

/// As text where it is text that every database keeps (PostgreSQL takes no U+0000), else in hexadecimal digits.
fn text(data: &[u8]) -> String {
    match std::str::from_utf8(data) {
        Ok(text) if !text.contains('\0') => text.to_owned(),
        _ => format!("hex:{}", hex::encode(data)),
    }
}

/// The same message has the same id however often it comes.
fn digest(data: &[u8]) -> Uuid {
    let mut octets = [0; 16];
    octets.copy_from_slice(&Sha256::digest(data)[..16]);
    uuid::Builder::from_custom_bytes(octets).into_uuid()
}

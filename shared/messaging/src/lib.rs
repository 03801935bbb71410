//! How facts travel so that none is lost and none counts twice.
//!
//! A service writes its state and its facts in **one** transaction ([`Outbox::append`]). A relay takes them from
//! the outbox and publishes them; `publish` resolves only when responsibility has moved: when every subscribed
//! consumer has committed its effect together with an inbox row. Only then is the outbox row marked sent. A crash
//! anywhere in between repeats the publication, and the inbox makes the repetition harmless.
//!
//! Facts travel in batches: the relay claims a few hundred with one statement, each consumer takes its share in one
//! transaction, and one statement marks them sent. One fact at a time would cost a synced commit per fact and consumer. Where a
//! batch fails it is halved until the fact at fault fails alone.
//!
//! A consumer either does its work, asks for another try, or **parks** the fact with a reason; nothing is
//! swallowed. A fact that keeps failing (or panics) is parked after [`DELIVERY_LIMIT`] tries so that the others go on.

mod backlog;
mod bus;
mod consumer;
mod counts;
mod database;
mod entity;
mod in_process;
mod inbox;
mod migrations;
mod outbox;
mod parcel;
pub mod parked;
mod rabbitmq;
mod relay;
mod remains;
mod take;
mod transaction;

pub use backlog::{Backlog, backlog};
pub use bus::{Bus, Outgoing, PublishError};
pub use consumer::{Consumer, HandleError, Handler};
pub use counts::{ConsumerCounts, RelayCounts};
pub use database::{Hold, Reading, ServiceDatabase, hold, hold_all, narrow};
pub use migrations::migrations;
pub use outbox::Outbox;
pub use rabbitmq::{
    BrokerState, ConfigError, Found, InspectError, QueueState, RabbitMqConfig, inspect_broker,
};
pub use relay::{Relay, RelayError, Turn};
pub use remains::{NoRemains, USUAL_DELETION, drop_remains, leave_no_remains};
pub use transaction::begin_write;

/// Tries before a fact is parked.
pub const DELIVERY_LIMIT: i32 = 10;

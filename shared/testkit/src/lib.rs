//! For tests: a house with a standing clock, seeded randomness and its own directory; services served on a free port;
//! a receiver for webhooks, a responder for OCSP. Nothing here runs tasks by itself: a test says when.

mod app;
mod database;
mod house;
mod responder;
mod sink;
mod told;

pub use app::{App, Reply};
pub use database::{TestDatabase, on_postgres};
pub use house::TestHouse;
pub use responder::{Manner, OcspServer};
pub use sink::{Received, WebhookSink};
pub use told::told_facts;

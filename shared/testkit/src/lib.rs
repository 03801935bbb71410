//! For tests: a house with a standing clock, seeded randomness and its own directory; services served on a free port;
//! a receiver for webhooks. Nothing here runs tasks by itself: a test says when.

mod app;
mod database;
mod house;
mod sink;

pub use app::{App, Reply};
pub use database::{TestDatabase, on_postgres};
pub use house::TestHouse;
pub use sink::{Received, WebhookSink};

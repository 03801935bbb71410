//! What a bus promises, asked of each adapter on each database.
//!
//! The cases in `promises` know neither broker nor database. They run in process on SQLite and, where the servers are there,
//! over RabbitMQ and on PostgreSQL; `broker` holds what only a broker can do wrong. `WARIKAN_TEST_AMQP` and
//! `WARIKAN_TEST_POSTGRES` say where the servers are (by default on this machine); a server that was named and does not answer is a
//! failure, one that was not named is a case left out, which is said.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test stops where it cannot go on, and says what it leaves out"
)]

mod broker;
mod databases;
mod promises;
mod proxy;
mod world;

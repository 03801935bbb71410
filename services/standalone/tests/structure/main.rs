//! What holds for the house as a whole, whoever builds in it next.
//!
//! Each room of this suite reads one source of truth and holds the house against it: `crates` the manifests as cargo reads them,
//! `files` the tracked files, `document`, `examples` and `problems` the public document of the house as it is really composed, `routes` and
//! `tokens`, `ids`, `strict` that house over HTTP, and `alone` every service without the others. A failure lists everything that is wrong at
//! once, and says what to do.

#![allow(
    clippy::unwrap_used,
    reason = "the lint knows test functions, not what they share; in a test a panic is the report"
)]

mod alone;
mod assigned;
mod bodies;
mod cases;
mod crates;
mod document;
mod examples;
mod files;
mod house;
mod ids;
mod listed;
mod once;
mod operations;
mod problems;
mod repository;
mod requests;
mod routes;
mod schema;
mod shape;
mod strict;
mod subscriptions;
mod things;
mod tokens;

/// Fails with everything that is wrong, a line each.
#[track_caller]
fn nothing_wrong(what_to_do: &str, wrong: &[String]) {
    assert!(
        wrong.is_empty(),
        "\n{what_to_do}\n  - {}\n",
        wrong.join("\n  - ")
    );
}

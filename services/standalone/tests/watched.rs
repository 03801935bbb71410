//! What comes of watching, with the whole platform in one process and clocks that stand.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

#[path = "watched/how_soon.rs"]
mod how_soon;
#[path = "watched/months.rs"]
mod months;
#[path = "watched/renewals.rs"]
mod renewals;

use tokio::sync::{Mutex, MutexGuard};

/// Figures are of the process: the tests of this binary that look at them take turns.
static TURN: Mutex<()> = Mutex::const_new(());

async fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().await
}

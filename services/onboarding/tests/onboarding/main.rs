//! Onboarding over HTTP.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod accounts;
mod assertions;
mod audit;
mod credentials;
mod filing;
mod forged;
mod life;
mod recover;
mod token_keys;
mod world;

//! Onboarding over HTTP.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod assertions;
mod credentials;
mod life;
mod world;

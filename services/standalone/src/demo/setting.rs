//! Where the story is told: on a stage of the demo's own, or against a platform that runs.

use std::path::PathBuf;

use warikan_types::Clock;

use super::receiver::Receiver;

/// What the story needs to know of the place.
pub(super) struct Setting {
    /// `http://host:port` of the platform.
    pub(super) platform: String,
    /// Where J-LIS and the citizens' cards are played.
    pub(super) jlis: String,
    /// The firm's receiver.
    pub(super) receiver: Receiver,
    /// Where the operator's credential lies.
    pub(super) credential: PathBuf,
    pub(super) time: Time,
}

/// Whose time it is.
pub(super) enum Time {
    /// Everybody follows one clock that the story moves, and the stand-in for J-LIS plays production.
    TheStorys,
    /// The platform lives by the machine's clock, which nobody moves: the firm works in its sandbox, whose clock can be moved, and
    /// what needs the end of a month or minutes of waiting is left out.
    Real(Clock),
}

impl Setting {
    /// Whether the firm works in its sandbox.
    pub(super) const fn is_sandbox(&self) -> bool {
        matches!(self.time, Time::Real(_))
    }

    /// How often the receiver fails before it works: the pause after the second failure is five minutes.
    pub(super) const fn failures(&self) -> u32 {
        if self.is_sandbox() { 1 } else { 2 }
    }
}

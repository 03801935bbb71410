//! The handlers: parse, ask, answer.

pub(crate) mod challenges;
pub(crate) mod subjects;
pub(crate) mod verifications;

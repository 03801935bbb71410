//! Everything one service may know of another.
//!
//! Services tell each other **facts** over the bus ([`Envelope`] around a [`Fact`]); the list in [`facts`] is the
//! whole of it. Two questions are asked synchronously: what is known of a certificate's status
//! ([`api::CertificateStatus`]), and which operations are to be paid for ([`operations::MeteredOperations`]). No service reads
//! another's tables.

pub mod api;
mod envelope;
pub mod facts;
pub mod operations;
mod payload;
mod subscriptions;

pub use envelope::{Envelope, EnvelopeError, Fact};
pub use payload::Payload;
pub use subscriptions::{SUBSCRIPTIONS, Subscription};

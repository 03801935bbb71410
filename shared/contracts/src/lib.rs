//! Everything one service may know of another.
//!
//! Services tell each other **facts** over the bus ([`Envelope`] around a [`Fact`]); the list in [`facts`] is the
//! whole of it. One question is asked synchronously: what is known of a certificate's status
//! ([`api::CertificateStatus`]). No service reads another's tables.

pub mod api;
mod envelope;
pub mod facts;
mod subscriptions;

pub use envelope::{Envelope, EnvelopeError, Fact};
pub use subscriptions::{SUBSCRIPTIONS, Subscription};

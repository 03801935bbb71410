//! What the sources say of a certificate, and which of them decides.
//!
//! Two services ask: verification, of certificates and persons that it is shown, and revocation, of certificates that are watched.
//! Both ask the lists in memory and, where it is wanted, an OCSP responder, by the same rules ([`Sources::gather`]); what the
//! outcome amounts to is judged in one place ([`warikan_pki::Judged`]), by which no list past its nextUpdate says *good*.
//! Each process asks responders for itself and keeps what it heard.

mod config;
mod gather;
mod ocsp;
mod view;

pub use config::{CertIdUse, Certificates, Fallback, NonceUse, OcspConfig, Responder};
pub use gather::{AskedChannel, Gathered, Heard, Sources, Subject, Wanted, fact, knowledge};
pub use view::{SourceOfStatus, StatusState};

//! The engine on certificates, lists and responses that are made here, and on real ones.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "test code: a panic is how a test fails"
)]

mod certificates;
mod chains;
mod crls;
mod crypto;
mod der;
mod differential;
mod keys;
mod ocsp;
mod pki;
mod properties;
mod real;
mod timestamps;
mod verdicts;

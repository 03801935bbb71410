//! The platform's own profile: certificates, lists and verdicts of JPKI's shape, real and made here.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "test code: a panic is how a test fails"
)]

mod certificates;
mod crls;
mod crypto;
mod der;
mod keys;
mod pki;
mod real;
mod verdicts;

//! The engine beside OpenSSL: thousands of certificates and lists, each a little wrong, judged by both.
//!
//! The simulator issues good certificates; a mutation changes one thing, and the CA's own key signs again, so that
//! what is compared is the meaning of a certificate and not only that a broken signature is noticed. Where the two
//! judges differ, a row of [`explained`] must say why, with the clause of the standard; a difference without a row fails, and
//! so does a row that nothing needs any more. Everything follows from fixed seeds: the same cases in every run.
//!
//! Beside it stand properties that need no second judge ([`properties`]) and a corpus of octets that must not make
//! anything panic ([`corpus`]).
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    reason = "test code: a panic is how a test fails"
)]

mod certificates;
mod corpus;
mod crls;
mod der;
mod explained;
mod extensions;
mod fields;
mod lists;
mod openssl;
mod ours;
mod plan;
mod properties;
mod rng;
mod scene;
mod structure;

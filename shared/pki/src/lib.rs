//! Certificates, revocation and signatures: pure functions over bytes, policy and time.
//!
//! Nothing here reads a clock, opens a connection or awaits anything. Whoever gathers the evidence (the verification
//! service, the revocation service, the command line) hands it in, and gets the same answer whenever it hands in the
//! same. Whatever the bytes are, there is an answer: no input makes this crate panic, loop, or allocate more
//! than in proportion to what was really sent.
//!
//! The usual way through:
//!
//! 1. [`AnchorSet::new`] once, from the certificates the operator pinned;
//! 2. [`examine`] a certificate's bytes: parsed, its path proved, its kind known;
//! 3. [`VerifiedCrl::verify`] for what the issuer says about revocation;
//! 4. [`validate`] with [`Evidence`], [`Policy`] and a time: a [`Report`].
//!
//! Beside that way there are [`VerifiedOcsp`] for the live question, [`validate_path`] for certificates of CAs of any
//! shape (RFC 5280 6), [`VerifiedTimestamp`] for RFC 3161, and [`crl_status`] for one list in hand.
//!
//! Types are proofs: a [`VerifiedPath`], [`VerifiedCrl`], [`VerifiedOcsp`] or [`VerifiedTimestamp`] exists only if its check has passed.

mod algorithm;
mod anchor;
mod attributes;
mod certificate;
mod crl;
mod der;
mod evidence;
mod examine;
mod extension;
mod hash;
mod inspect;
mod judge;
mod key;
mod name;
mod ocsp;
mod oid;
mod path;
mod pinned;
mod policy;
mod profile;
mod report;
mod status;
mod time;
mod timestamp;
mod validate;
mod view;

pub use algorithm::{AlgorithmRefused, DigestAlgorithm, SignatureAlgorithm};
pub use anchor::{AnchorError, AnchorSet, TrustAnchor};
pub use attributes::{
    AttributeField, AttributeProblem, Attributes, BirthDate, Sex, UnknownAttribute,
};
pub use certificate::{Certificate, ParseError};
pub use crl::{
    CrlEntries, CrlEntry, CrlError, CrlNumber, CrlNumberError, ListedEntry, SignedCrl, VerifiedCrl,
};
pub use der::is_der;
pub use evidence::{Evidence, Signed, StatusFact, StatusKnowledge};
pub use examine::{Examined, PathError, VerifiedPath, examine};
pub use extension::{KeyUsage, ReasonFlags};
pub use hash::sha256;
pub use inspect::{certificate_key, names_match, parse_certificate, parse_crl, verify_signed};
pub use judge::{AgeBounds, Judged};
pub use key::{
    KeyError, KeyKind, PublicKey, RSA_MAX_BITS, RSA_MIN_BITS, RSA_MIN_EXPONENT, SignatureError,
};
pub use ocsp::{
    CertIdHash, Nonce, OcspError, OcspPolicy, OcspSubject, VerifiedOcsp, ocsp_request, parse_ocsp,
};
pub use oid::{Oid, OidError};
pub use path::{
    AnchorConstraints, AnchorValidity, MAX_INTERMEDIATES, PathAlgorithms, PathFailure, PathInput,
    PathPolicy, Revocation, validate_path,
};
pub use pinned::PinnedAnchors;
pub use policy::{AlgorithmPolicy, AlgorithmRule, KeyRule, Policy, Purpose};
pub use profile::{Profile, ProfileError, ProfileTable};
pub use report::{Check, CheckName, CheckResult, Indication, Report, SubIndication};
pub use status::{CrlAnswer, CrlQuestion, CrlSilence, crl_status};
pub use timestamp::{TimestampError, TimestampRequest, TimestampTrust, VerifiedTimestamp};
pub use validate::{validate, validate_certificate};
pub use warikan_types::Channel;

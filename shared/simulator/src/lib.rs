//! A stand-in for J-LIS: two certification authorities shaped like JPKI's, the cards that they issue to synthetic citizens,
//! the revocation lists and OCSP answers that they publish, and the events of a life that change them.
//!
//! **Who acts.** A [`Simulator`] is the whole agency: [`Simulator::genesis`] makes a signature CA and an authentication CA, each with
//! two generations that share one name and have different keys. [`Simulator::enroll`] hands a [`Person`] a card with two
//! certificates; [`Simulator::card`] gives the card, which signs and never shows its keys; [`Simulator::apply`] lets the
//! person move, marry, lose the card or die; [`Simulator::publish`] writes the day's revocation lists and [`Simulator::ocsp`] answers
//! between two of them.
//!
//! **What it promises.** The certificate profile is that of the real test hierarchy to the byte (the profile's tests rebuild real
//! certificates). Time is a parameter of every operation, nothing reads a clock, and with a fixed key pool every byte is
//! reproducible. Serial numbers are sequential per CA *name*, across its generations. All state can be taken out as
//! [`Records`], one per person, certificate, key and CA generation, and a change set after each operation says which of
//! them to store again.
//!
//! **What it is not.** It is the oracle for the platform's own validator and so shares no code with it; `openssl` vouches for what it
//! makes. It protects nothing: its private keys are ordinary records. What no public source tells about J-LIS (the revocation
//! lists' and the OCSP responder's exact profile) follows RFC 5280 and RFC 6960 in the plainest way.

mod authority;
mod calendar;
mod card;
mod certificate;
mod crl;
mod defect;
mod der;
mod event;
pub mod fixtures;
mod hex_bytes;
mod issue;
mod keys;
mod municipality;
mod names;
mod ocsp;
mod oid;
mod person;
mod population;
mod profile;
mod records;
mod simulator;
mod state;

pub use card::{Card, CardError, Content};
pub use crl::{Layout, Publication, PublicationOptions, PublishedCrl};
pub use defect::Defect;
pub use event::{EventOutcome, IssuedCertificate, LifeEvent, RevokedCertificate};
pub use keys::{HashAlgorithm, KeyError, KeyId, KeyPool, KeyRecord, KeySource};
pub use municipality::Municipality;
pub use person::{BirthDate, Person, Precision, Sex};
pub use profile::{CertificateChoice, Hierarchy};
pub use records::{
    CertificateRecord, GenerationRecord, PersonId, PersonRecord, Records, Revocation,
    RevocationReason, StateRecord,
};
pub use simulator::{Genesis, Root, Simulator, SimulatorError};

/// The OCSP address on the authentication certificates of real test cards. The production address stands on no public
/// certificate, so a simulated production hierarchy says the same unless told otherwise.
pub const TEST_OCSP_URL: &str = "http://test-ocspauthnorm.jpki.go.jp";

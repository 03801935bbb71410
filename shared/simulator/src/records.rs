//! State as records: what a service stores, a row each, and gives back after a restart.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{CertificateChoice, Defect, Hierarchy, KeyId, KeyRecord, Municipality, Person};

/// Numbers persons inside one simulator, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PersonId(pub u64);

/// CRLReason (RFC 5280 5.3.1) as J-LIS uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevocationReason {
    /// 0: discarded before delivery.
    Unspecified,
    /// 1: the card was lost.
    KeyCompromise,
    /// 3: one of the four attributes changed.
    AffiliationChanged,
    /// 4: renewed.
    Superseded,
    /// 5: no longer needed; also after a death, which no reason code tells.
    CessationOfOperation,
    /// 6: held; J-LIS never lifts a hold.
    CertificateHold,
}

impl RevocationReason {
    /// The ENUMERATED value.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
            Self::CertificateHold => 6,
        }
    }
}

/// When and why a certificate was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// revocationDate.
    pub at: DateTime<Utc>,
    /// The reason.
    pub reason: RevocationReason,
}

/// What there is once: counters and settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateRecord {
    /// Which hierarchy this is.
    pub hierarchy: Hierarchy,
    /// On authentication certificates.
    pub ocsp_url: String,
    /// The known municipalities: each has a revocation list per CA generation.
    pub municipalities: Vec<Municipality>,
    /// The next serial number of the signature CA.
    pub next_signature_serial: u64,
    /// The next serial number of the authentication CA.
    pub next_authentication_serial: u64,
    /// The next person's number.
    pub next_person: u64,
    /// The key of all OCSP responder certificates.
    pub responder_key: KeyId,
}

/// One generation of a CA. Unique by (`choice`, `generation`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationRecord {
    /// Which CA.
    pub choice: CertificateChoice,
    /// From 1.
    pub generation: u32,
    /// The root's serial number.
    pub serial: u64,
    /// The root's life.
    pub not_before: DateTime<Utc>,
    /// The root's end.
    pub not_after: DateTime<Utc>,
    /// The root's key.
    pub key: KeyId,
    /// The self-signed root, DER.
    #[serde(with = "crate::hex_bytes")]
    pub root: Vec<u8>,
    /// The delegated OCSP responder's certificate, DER.
    #[serde(with = "crate::hex_bytes")]
    pub responder: Vec<u8>,
    /// The cRLNumber of the last publication; 0 before the first.
    pub crl_number: u64,
    /// thisUpdate of the last publication.
    pub last_published: Option<DateTime<Utc>>,
}

/// One person. Unique by `id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonRecord {
    /// The number.
    pub id: PersonId,
    /// The attributes as they are now.
    pub person: Person,
    /// Serial of the signature certificate on the card.
    pub signature: Option<u64>,
    /// Serial of the authentication certificate on the card.
    pub authentication: Option<u64>,
    /// Dead: no further event.
    pub deceased: bool,
}

impl PersonRecord {
    /// The serial of the chosen certificate on the card.
    #[must_use]
    pub fn serial(&self, choice: CertificateChoice) -> Option<u64> {
        match choice {
            CertificateChoice::Signature => self.signature,
            CertificateChoice::Authentication => self.authentication,
        }
    }

    pub(crate) fn set_serial(&mut self, choice: CertificateChoice, serial: u64) {
        match choice {
            CertificateChoice::Signature => self.signature = Some(serial),
            CertificateChoice::Authentication => self.authentication = Some(serial),
        }
    }
}

/// One certificate ever issued. Unique by (`choice`, `serial`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateRecord {
    /// Which CA issued it.
    pub choice: CertificateChoice,
    /// Which of its generations; 0 for one that is in none of their books.
    pub generation: u32,
    /// The serial number, unique per CA name.
    pub serial: u64,
    /// The holder.
    pub person: PersonId,
    /// The revocation list that covers it: [`Municipality::partition`].
    pub partition: String,
    /// notBefore.
    pub not_before: DateTime<Utc>,
    /// notAfter.
    pub not_after: DateTime<Utc>,
    /// The holder's key.
    pub key: KeyId,
    /// The certificate, DER.
    #[serde(with = "crate::hex_bytes")]
    pub der: Vec<u8>,
    /// Whether it was revoked.
    pub revocation: Option<Revocation>,
    /// The serial of the certificate before it (old-to-new link, 公的個人認証法18条4項).
    pub replaces: Option<u64>,
    /// The serial of the certificate after it.
    pub replaced_by: Option<u64>,
    /// What is wrong with it on purpose.
    pub defect: Option<Defect>,
}

impl CertificateRecord {
    /// Neither revoked nor expired at a time.
    #[must_use]
    pub fn is_live(&self, at: DateTime<Utc>) -> bool {
        self.revocation.is_none() && at <= self.not_after
    }
}

/// A whole state ([`crate::Simulator::export`]) or what changed of it ([`crate::Simulator::take_changes`]): every record replaces
/// the stored one of the same key.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Records {
    /// Present if it changed.
    pub state: Option<StateRecord>,
    /// CA generations.
    pub generations: Vec<GenerationRecord>,
    /// Private keys.
    pub keys: Vec<KeyRecord>,
    /// Persons.
    pub persons: Vec<PersonRecord>,
    /// Certificates.
    pub certificates: Vec<CertificateRecord>,
}

//! What goes out.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_simulator::{CertificateChoice, CertificateRecord, Sex};
use warikan_types::{Base64Bytes, CertificateKind, PersonId, Reason, RevocationReason, Timestamp};

use crate::{
    error::Error,
    people::birth_date_text,
    state::{Holder, State},
};

/// Sex as registers tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SexWord {
    Male,
    Female,
    /// Other or not applicable.
    Other,
}

impl From<Sex> for SexWord {
    fn from(sex: Sex) -> Self {
        match sex {
            Sex::Male => Self::Male,
            Sex::Female => Self::Female,
            Sex::Other => Self::Other,
        }
    }
}
impl From<SexWord> for Sex {
    fn from(word: SexWord) -> Self {
        match word {
            SexWord::Male => Self::Male,
            SexWord::Female => Self::Female,
            SexWord::Other => Self::Other,
        }
    }
}

/// How a certificate stands at the sandbox's time, as the simulated CA knows it. The lists tell it only after the next publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CertificateState {
    Good,
    Revoked,
    Expired,
    NotYetValid,
}

/// A certificate of a simulated person.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CertificateOfPerson)]
pub(crate) struct CertificateView {
    kind: CertificateKind,
    /// DER.
    certificate: Base64Bytes,
    not_before: Timestamp,
    not_after: Timestamp,
    state: CertificateState,
    revoked_at: Option<Timestamp>,
    revocation_reason: Option<RevocationReason>,
    /// Whether it is the one on the card; older ones are kept in the list.
    on_card: bool,
}

/// A simulated person.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PersonView {
    id: PersonId,
    /// Family and given name with U+3000 between them.
    name: String,
    address: String,
    /// `1980-02-17`; `00` for an unknown month or day.
    birth_date: String,
    sex: SexWord,
    /// The partition of the revocation lists that covers the person's newest signature certificate.
    municipality: String,
    deceased: bool,
    /// The reason that a verification with this person's signature certificate gives; `null` for an ordinary person.
    demonstrates: Option<Reason>,
    certificates: Vec<CertificateView>,
}

impl PersonView {
    pub(crate) fn of(state: &State, holder: Holder) -> Result<Self, Error> {
        let record = state.record(holder)?;
        let person = &record.person;
        let certificates = state
            .simulator
            .certificates_of(record.id)
            .map(|one| CertificateView {
                kind: kind(one.choice),
                certificate: Base64Bytes(one.der.clone()),
                not_before: Timestamp::new(one.not_before),
                not_after: Timestamp::new(one.not_after),
                state: standing(one, state.now),
                revoked_at: one
                    .revocation
                    .map(|revocation| Timestamp::new(revocation.at)),
                revocation_reason: one.revocation.map(|revocation| reason(revocation.reason)),
                on_card: record.serial(one.choice) == Some(one.serial),
            })
            .collect();
        Ok(Self {
            id: holder.id,
            name: person.name.clone(),
            address: person.address.clone(),
            birth_date: birth_date_text(&person.birth_date),
            sex: person.sex.into(),
            municipality: person.municipality.partition(),
            deceased: record.deceased,
            demonstrates: holder.demonstrates,
            certificates,
        })
    }
}

fn standing(certificate: &CertificateRecord, now: Timestamp) -> CertificateState {
    if certificate.revocation.is_some() {
        CertificateState::Revoked
    } else if now.unix() > certificate.not_after.timestamp() {
        CertificateState::Expired
    } else if now.utc() < certificate.not_before {
        CertificateState::NotYetValid
    } else {
        CertificateState::Good
    }
}

pub(crate) const fn kind(choice: CertificateChoice) -> CertificateKind {
    match choice {
        CertificateChoice::Signature => CertificateKind::CardSignature,
        CertificateChoice::Authentication => CertificateKind::CardAuthentication,
    }
}

pub(crate) const fn reason(reason: warikan_simulator::RevocationReason) -> RevocationReason {
    use warikan_simulator::RevocationReason as Simulated;
    match reason {
        Simulated::Unspecified => RevocationReason::Unspecified,
        Simulated::KeyCompromise => RevocationReason::KeyCompromise,
        Simulated::AffiliationChanged => RevocationReason::AffiliationChanged,
        Simulated::Superseded => RevocationReason::Superseded,
        Simulated::CessationOfOperation => RevocationReason::CessationOfOperation,
        Simulated::CertificateHold => RevocationReason::CertificateHold,
    }
}

/// One line of the list of named persons.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DemonstrationView {
    /// The reason that is shown; `null` for a valid verification.
    pub(crate) demonstrates: Option<Reason>,
    /// The person to use.
    pub(crate) id: PersonId,
    pub(crate) name: String,
    /// Whether the person alone shows it, or only what is done with an ordinary one.
    pub(crate) by_itself: bool,
    /// What to do.
    pub(crate) how_to: &'static str,
}

/// The named persons.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Demonstrations {
    pub(crate) data: Vec<DemonstrationView>,
}

/// One of many.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MemberView {
    pub(crate) id: PersonId,
    /// The signature certificate, DER.
    pub(crate) certificate: Base64Bytes,
}

/// A population.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CreatedPopulation {
    pub(crate) size: usize,
    /// So many key pairs go round among all the cards: making one for each would take minutes.
    pub(crate) shared_keys: usize,
    pub(crate) persons: Vec<MemberView>,
}

/// What can happen to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EventName {
    /// A new address: the signature certificate is revoked (affiliation_changed) and a new one issued.
    Move,
    /// A new name: the same.
    Rename,
    /// Both certificates are replaced (superseded).
    Renew,
    /// The card is lost: both are revoked (key_compromise).
    Lose,
    /// Both are held (certificate_hold), and a hold is never lifted.
    Hold,
    /// Both are revoked (cessation_of_operation), and nothing happens any more.
    Die,
    /// The certificates are given back (cessation_of_operation).
    Cancel,
    /// The card is discarded before delivery (unspecified).
    Discard,
    /// A new card with new certificates.
    Reissue,
}

/// A certificate that an event revoked.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RevokedView {
    pub(crate) kind: CertificateKind,
    /// DER.
    pub(crate) certificate: Base64Bytes,
    pub(crate) reason: RevocationReason,
    pub(crate) revoked_at: Timestamp,
}

/// A certificate that an event issued.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IssuedView {
    pub(crate) kind: CertificateKind,
    /// DER.
    pub(crate) certificate: Base64Bytes,
    /// The certificate whose place it takes, DER.
    pub(crate) replaces: Option<Base64Bytes>,
}

/// What an event did.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventAnswer {
    pub(crate) event: EventName,
    /// OCSP tells it at once, the lists after the next publication.
    pub(crate) revoked: Vec<RevokedView>,
    pub(crate) issued: Vec<IssuedView>,
    /// The person afterwards.
    pub(crate) person: PersonView,
}

//! A record of the audit trail, the chain it stands in, and what is hashed of it.
//!
//! `hash` is SHA-256 over these parts in this order, each with its length in octets in front (eight octets, big-endian): the words
//! `warikan audit v1`, the hash before (32 octets; zeros before the first), `chain`, `sequence` in decimal, `id`, `at`, the actor's kind, the actor's id,
//! `act`, `outcome`, `subject`, `request_id`, and then each name and value of `details` in the order of the names' octets. What is
//! `null` has length zero. Everything but the hash before is the UTF-8 text that the record shows. `docs/audit.md` says the same for auditors.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use warikan_types::{AuditRecordId, Environment, TenantId, Timestamp};

/// The first part of what is hashed: another form of record would have another.
const FORM: &str = "warikan audit v1";

pub(crate) type Hash = [u8; 32];

/// Before the first record.
pub(crate) const NOTHING: Hash = [0; 32];

/// Where a record stands. What concerns the tenant as such has a chain of its own, which both of its environments may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Chain {
    /// The operator's own affairs.
    Operator,
    /// A tenant's: its life, or, with an environment, its credentials and things there.
    Tenant(TenantId, Option<Environment>),
}

impl Chain {
    /// `operator`, `ten_..`, `ten_../sandbox`, `ten_../production`.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Operator => "operator".to_owned(),
            Self::Tenant(tenant, None) => tenant.to_string(),
            Self::Tenant(tenant, Some(environment)) => {
                format!("{tenant}/{}", environment.as_str())
            }
        }
    }

    pub(crate) const fn tenant(self) -> Option<TenantId> {
        match self {
            Self::Operator => None,
            Self::Tenant(tenant, _) => Some(tenant),
        }
    }

    pub(crate) const fn environment(self) -> Option<Environment> {
        match self {
            Self::Operator | Self::Tenant(_, None) => None,
            Self::Tenant(_, environment) => environment,
        }
    }
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditActor)]
pub struct Doer {
    /// `operator` (an account of the operator's), `client` (a credential of the tenant's) or `system`.
    pub kind: String,
    /// The account or credential, `cli_..`; `null` for the system.
    pub id: Option<String>,
}

/// A record of the audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditRecord)]
pub struct Record {
    /// In which chain it stands: `operator`, `ten_..` (the tenant as such), `ten_../sandbox` or `ten_../production`.
    pub chain: String,
    /// Its place there, from 1 without gaps: the order in which things were recorded.
    pub sequence: i64,
    /// Its id.
    pub id: AuditRecordId,
    /// When it was done.
    pub at: Timestamp,
    /// Who did it.
    pub actor: Doer,
    /// What was done: `tenant.created`, `credential.rotated`, ..
    pub act: String,
    /// `done`, or `refused` where it was only tried.
    pub outcome: String,
    /// What it was done to, an id.
    pub subject: Option<String>,
    /// The request's `X-Request-Id`.
    pub request_id: Option<String>,
    /// More of it, by act.
    pub details: BTreeMap<String, String>,
    /// The hash of the record before it in the chain, 64 hexadecimal digits; zeros before the first.
    pub previous: String,
    /// SHA-256 over all of this, 64 hexadecimal digits; `docs/audit.md` says how.
    pub hash: String,
}

impl Record {
    /// What its hash has to be.
    pub(crate) fn digest(&self, previous: &Hash) -> Hash {
        let mut hash = Sha256::new();
        let mut part = |octets: &[u8]| {
            hash.update((octets.len() as u64).to_be_bytes());
            hash.update(octets);
        };
        part(FORM.as_bytes());
        part(previous);
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        for field in [
            self.chain.clone(),
            self.sequence.to_string(),
            self.id.to_string(),
            self.at.to_string(),
            self.actor.kind.clone(),
            text(&self.actor.id),
            self.act.clone(),
            self.outcome.clone(),
            text(&self.subject),
            text(&self.request_id),
        ] {
            part(field.as_bytes());
        }
        for (name, value) in &self.details {
            part(name.as_bytes());
            part(value.as_bytes());
        }
        hash.finalize().into()
    }
}

/// How far a chain goes, and the platform's word for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditHead)]
pub struct Head {
    /// The chain.
    pub chain: String,
    /// How many records stand in it.
    pub length: i64,
    /// The last one's hash.
    pub hash: String,
    /// The same as a compact JWS (EdDSA), to be checked with `/.well-known/jwks.json`. Kept elsewhere, it shows later whether records were cut off.
    pub statement: String,
}

/// What a head's statement says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeadClaims {
    pub(crate) iss: String,
    pub(crate) iat: i64,
    pub(crate) chain: String,
    pub(crate) length: i64,
    pub(crate) hash: String,
}

/// A line of an export.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Line {
    /// A record.
    Record(Record),
    /// After a chain's records.
    Head(Head),
    /// The last line: without it the export is not whole.
    End { chains: u64, records: u64 },
}

pub(crate) fn read_hash(text: &str) -> Option<Hash> {
    let mut hash = NOTHING;
    hex::decode_to_slice(text, &mut hash).ok().map(|()| hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            chain: "operator".to_owned(),
            sequence: 1,
            id: "aud_01a1fc012c0879d497a4941b37d733fb".parse().unwrap(),
            at: "2026-11-21T00:00:00Z".parse().unwrap(),
            actor: Doer {
                kind: "system".to_owned(),
                id: None,
            },
            act: "operator.bootstrapped".to_owned(),
            outcome: "done".to_owned(),
            subject: None,
            request_id: None,
            details: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
            previous: hex::encode(NOTHING),
            hash: String::new(),
        }
    }

    #[test]
    fn no_part_of_a_record_can_move_into_another() {
        let hash = |record: &Record| record.digest(&NOTHING);
        let plain = record();
        let changes: [fn(&mut Record); 7] = [
            |record| record.sequence = 2,
            |record| record.at = "2026-11-21T00:00:00.000001Z".parse().unwrap(),
            |record| record.act = "operator.bootstrappeddone".to_owned(),
            |record| record.actor.id = Some("done".to_owned()),
            |record| record.subject = Some("x".to_owned()),
            |record| record.request_id = Some("x".to_owned()),
            |record| {
                record.details = BTreeMap::from([("ab".to_owned(), String::new())]);
            },
        ];
        let mut seen = std::collections::BTreeSet::from([hash(&plain)]);
        for change in changes {
            let mut other = plain.clone();
            change(&mut other);
            assert!(seen.insert(hash(&other)), "{other:?}");
        }
        assert!(seen.insert(plain.digest(&[1; 32])), "the record before it");
    }
}

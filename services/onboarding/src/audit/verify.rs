//! Judging the audit trail: which record was changed, removed, moved or cut off. Pure: records in their order, heads, and the platform's public keys.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::BufRead,
};

use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use serde::Deserialize;
use warikan_runtime::AUDIT_HEAD;

use super::{Hash, Head, HeadClaims, Line, NOTHING, Record, read_hash};

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// In which chain.
    pub chain: String,
    /// What it is.
    pub what: String,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// How many records were read.
    pub records: u64,
    /// In how many chains.
    pub chains: u64,
    /// What is wrong; empty where nothing is.
    pub findings: Vec<Finding>,
}

/// The trail cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum AuditProblem {
    /// What was given is none.
    #[error("{0} cannot be read")]
    Unreadable(String),
    /// Its lines cannot be read to their end.
    #[error("the export cannot be read")]
    Read(#[from] std::io::Error),
    /// The database cannot be asked.
    #[error("the audit trail's database cannot be asked")]
    Database(#[from] sea_orm::DbErr),
}

/// One chain, as far as it was read.
struct Walked {
    /// The last record's place.
    sequence: i64,
    /// Its hash, as it stands there.
    hash: Hash,
}

/// Walks records chain by chain.
pub(super) struct Auditor {
    keys: JwkSet,
    walked: BTreeMap<String, Walked>,
    /// Chains whose head was seen.
    headed: BTreeSet<String>,
    /// Heads that were kept elsewhere: what the record at this place has to be, by chain.
    kept: BTreeMap<String, BTreeMap<i64, Hash>>,
    verified: Verified,
}

/// What `GET /v1/operator/audit/heads` answers, or a part of it.
#[derive(Deserialize)]
struct KeptHeads {
    data: Vec<Head>,
}

impl Auditor {
    /// With the platform's public keys (a JWK Set), and heads that were kept, where there are some.
    pub(super) fn new(keys: &[u8], kept: Option<&[u8]>) -> Result<Self, AuditProblem> {
        let unreadable = |what: &str| AuditProblem::Unreadable(what.to_owned());
        let keys = serde_json::from_slice(keys).map_err(|_| unreadable("the key set"))?;
        let mut this = Self {
            keys,
            walked: BTreeMap::new(),
            headed: BTreeSet::new(),
            kept: BTreeMap::new(),
            verified: Verified::default(),
        };
        let heads = match kept {
            None => Vec::new(),
            Some(kept) => {
                serde_json::from_slice::<KeptHeads>(kept)
                    .map_err(|_| unreadable("the file of kept heads"))?
                    .data
            }
        };
        for head in heads {
            match this.signed(&head) {
                Some(hash) => {
                    let places = this.kept.entry(head.chain).or_default();
                    places.insert(head.length, hash);
                }
                None => this.find(&head.chain, "the kept head is not signed by these keys"),
            }
        }
        Ok(this)
    }

    fn find(&mut self, chain: &str, what: impl Into<String>) {
        self.verified.findings.push(Finding {
            chain: chain.to_owned(),
            what: what.into(),
        });
    }

    /// What a head's statement says of it, if the platform said so.
    fn signed(&self, head: &Head) -> Option<Hash> {
        let header = jsonwebtoken::decode_header(&head.statement).ok()?;
        if header.typ.as_deref() != Some(AUDIT_HEAD) {
            return None;
        }
        let key = DecodingKey::from_jwk(self.keys.find(header.kid.as_deref()?)?).ok()?;
        let mut rules = Validation::new(Algorithm::EdDSA);
        // A statement does not end.
        rules.required_spec_claims.clear();
        rules.validate_exp = false;
        rules.validate_aud = false;
        let claims = jsonwebtoken::decode::<HeadClaims>(&head.statement, &key, &rules)
            .ok()?
            .claims;
        let same = claims.iss == "warikan"
            && claims.chain == head.chain
            && claims.length == head.length
            && claims.hash == head.hash;
        read_hash(&claims.hash).filter(|_| same)
    }

    pub(super) fn record(&mut self, record: &Record) {
        self.verified.records += 1;
        let n = record.sequence;
        let before = self.walked.get(&record.chain);
        let (last, hash) = before.map_or((0, NOTHING), |walked| (walked.sequence, walked.hash));
        let stated = read_hash(&record.hash);
        let mut wrong = Vec::new();
        match n.saturating_sub(last) {
            1 => {
                if read_hash(&record.previous) != Some(hash) {
                    wrong.push(format!(
                        "record {n} does not follow on the one before it: one of the two is not what was written there"
                    ));
                }
            }
            2 => wrong.push(format!("record {} is missing", n - 1)),
            gap if gap > 2 => {
                wrong.push(format!("records {} to {} are missing", last + 1, n - 1));
            }
            _ => wrong.push(format!(
                "record {n} stands after record {last}: it was moved, or stands twice"
            )),
        }
        let digest = read_hash(&record.previous).map(|previous| record.digest(&previous));
        if digest.is_none() || digest != stated {
            wrong.push(format!("record {n} ({}) was changed", record.id));
        }
        let kept = self.kept.get_mut(&record.chain);
        if let Some(kept) = kept.and_then(|places| places.remove(&n))
            && stated != Some(kept)
        {
            wrong.push(format!(
                "record {n} is not the one that the kept head names"
            ));
        }
        for what in wrong {
            self.find(&record.chain, what);
        }
        if n > last {
            let hash = stated.unwrap_or(NOTHING);
            let walked = Walked { sequence: n, hash };
            self.walked.insert(record.chain.clone(), walked);
        }
    }

    /// To be told after the chain's records.
    pub(super) fn head(&mut self, head: &Head) {
        let chain = &head.chain;
        self.headed.insert(chain.clone());
        let Some(signed) = self.signed(head) else {
            return self.find(
                chain,
                "the head is not signed by these keys, or was changed",
            );
        };
        let (length, hash) = self
            .walked
            .get(chain)
            .map_or((0, NOTHING), |walked| (walked.sequence, walked.hash));
        if length < head.length {
            let (first, last) = (length + 1, head.length);
            return self.find(chain, format!("records {first} to {last} are cut off"));
        }
        if length > head.length {
            let first = head.length + 1;
            return self.find(
                chain,
                format!("no head was signed for records from {first} on"),
            );
        }
        if hash != signed {
            self.find(
                chain,
                format!("record {length} is not the one that the head names"),
            );
        }
    }

    pub(super) fn end(mut self) -> Verified {
        let headless: Vec<String> = self
            .walked
            .keys()
            .filter(|chain| !self.headed.contains(*chain))
            .cloned()
            .collect();
        for chain in headless {
            self.find(&chain, "its head is missing");
        }
        // What a kept head names was not met: the chain ends before it, or is gone.
        for (chain, places) in std::mem::take(&mut self.kept) {
            for place in places.keys() {
                self.find(
                    &chain,
                    format!("record {place}, which the kept head names, is cut off"),
                );
            }
        }
        self.verified.chains = self.walked.len() as u64;
        self.verified
    }
}

/// Judges an export (NDJSON) from nothing but itself, the platform's public keys and heads that were kept.
///
/// # Errors
/// [`AuditProblem`].
pub fn verify_export(
    export: impl BufRead,
    keys: &[u8],
    kept: Option<&[u8]>,
) -> Result<Verified, AuditProblem> {
    let mut auditor = Auditor::new(keys, kept)?;
    let mut ended = None;
    for (number, line) in export.lines().enumerate() {
        let line = line?;
        let unreadable = || AuditProblem::Unreadable(format!("line {} of the export", number + 1));
        if ended.is_some() {
            return Err(unreadable());
        }
        match serde_json::from_str(&line).map_err(|_| unreadable())? {
            Line::Record(record) => auditor.record(&record),
            Line::Head(head) => auditor.head(&head),
            Line::End { records, .. } => ended = Some(records),
        }
    }
    let mut verified = auditor.end();
    if ended != Some(verified.records) {
        verified.findings.push(Finding {
            chain: "export".to_owned(),
            what: match ended {
                None => "its last line is missing: it is not whole".to_owned(),
                Some(said) => format!(
                    "it has {} records, its last line says {said}",
                    verified.records
                ),
            },
        });
    }
    Ok(verified)
}

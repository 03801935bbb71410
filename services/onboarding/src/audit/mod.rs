//! The audit trail: who did what, on what, when, and what was refused; append-only, each record holding the hash of the one before it.
//!
//! A record is written in the transaction of the act itself, so that neither stands without the other; what other services'
//! operators did comes as a fact, and is written with its inbox row. Each append also signs how far its chain goes: the hashes show a
//! record that was changed, removed or moved, the signed head shows a tail that was cut off. Whoever can write to the database *and* holds an
//! older head could put that back: against it heads are kept elsewhere (`GET /v1/operator/audit/heads`, `warikan audit verify --heads`).

mod export;
mod hear;
mod record;
mod refusals;
mod sign_ins;
mod stored;
mod verify;

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::DatabaseTransaction;
use warikan_http::current_request_id;
use warikan_messaging::{Hold, hold_all};
use warikan_types::{Client, Id, TenantId, Timestamp};

use crate::{Onboarding, error::Error, store::audit as store};

pub(crate) use export::ExportError;
pub(crate) use hear::{Hear, HearTenants};
pub(crate) use record::{Chain, Doer, Hash, Head, HeadClaims, Line, NOTHING, Record, read_hash};
pub(crate) use sign_ins::{COUNTED_FOR, SignIns};
pub use stored::verify_stored;
pub use verify::{AuditProblem, Finding, Verified, verify_export};

/// Who does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Actor {
    /// One of the operator's accounts.
    Operator(Id<Client>),
    /// One of the tenant's own credentials.
    Client(Id<Client>),
    /// The platform itself.
    System,
}

impl Actor {
    pub(crate) fn doer(self) -> Doer {
        let (kind, id) = match self {
            Self::Operator(id) => ("operator", Some(id)),
            Self::Client(id) => ("client", Some(id)),
            Self::System => ("system", None),
        };
        Doer {
            kind: kind.to_owned(),
            id: id.map(|id| id.to_string()),
        }
    }
}

/// Something to be recorded.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) chain: Chain,
    pub(crate) actor: Actor,
    pub(crate) act: String,
    pub(crate) refused: bool,
    pub(crate) at: Timestamp,
    pub(crate) subject: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) details: BTreeMap<String, String>,
}

impl Entry {
    /// An act that is being done now, by the request that this task serves.
    pub(crate) fn new(chain: Chain, actor: Actor, act: &str, at: Timestamp) -> Self {
        Self {
            chain,
            actor,
            act: act.to_owned(),
            refused: false,
            at,
            subject: None,
            request_id: current_request_id(),
            details: BTreeMap::new(),
        }
    }

    /// Of a tenant as such.
    pub(crate) fn of_tenant(tenant: TenantId, actor: Actor, act: &str, at: Timestamp) -> Self {
        Self::new(Chain::Tenant(tenant, None), actor, act, at).about(tenant)
    }

    pub(crate) fn about(mut self, subject: impl ToString) -> Self {
        self.subject = Some(subject.to_string());
        self
    }

    pub(crate) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.details.insert(name.to_owned(), value.to_string());
        self
    }

    /// Only where there is something to say.
    pub(crate) fn with_some(self, name: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}

impl Onboarding {
    /// Writes records in the caller's transaction. To be called once in a transaction, after everything else that it locks: whoever
    /// holds a chain holds it until the commit.
    pub(crate) async fn record(
        &self,
        transaction: &DatabaseTransaction,
        entries: Vec<Entry>,
    ) -> Result<(), Error> {
        append(transaction, &self.0.platform, entries).await
    }
}

/// The same, before there is a service.
pub(crate) async fn append(
    transaction: &DatabaseTransaction,
    platform: &warikan_runtime::Platform,
    entries: Vec<Entry>,
) -> Result<(), Error> {
    let chains: BTreeSet<Chain> = entries.iter().map(|entry| entry.chain).collect();
    let names: Vec<String> = chains
        .iter()
        .map(|chain| format!("audit/{}", chain.name()))
        .collect();
    // Two processes that append to one chain would both follow on the same record.
    hold_all(transaction, &names, Hold::Exclusive).await?;
    for chain in chains {
        let name = chain.name();
        let (mut length, mut hash) = match store::head(transaction, &name).await? {
            None => (0, NOTHING),
            Some(head) => {
                let hash = read_hash(&head.hash).ok_or(Error::Damaged("audit_head.hash"))?;
                (head.length, hash)
            }
        };
        let mut records = Vec::new();
        for entry in entries.iter().filter(|entry| entry.chain == chain) {
            length += 1;
            let record = written(entry, platform, length, hash);
            hash = read_hash(&record.hash).ok_or(Error::Damaged("audit_record.hash"))?;
            records.push(record);
        }
        let now = platform.clock().now();
        let claims = HeadClaims {
            iss: "warikan".to_owned(),
            iat: now.unix(),
            chain: name.clone(),
            length,
            hash: hex::encode(hash),
        };
        let head = Head {
            statement: platform.keys.sign_audit_head(&claims)?,
            chain: name,
            length,
            hash: claims.hash,
        };
        store::append(transaction, chain, &records, &head, now).await?;
    }
    Ok(())
}

fn written(
    entry: &Entry,
    platform: &warikan_runtime::Platform,
    sequence: i64,
    previous: Hash,
) -> Record {
    let mut record = Record {
        chain: entry.chain.name(),
        sequence,
        id: platform.entropy.id(platform.clock().now()),
        at: entry.at,
        actor: entry.actor.doer(),
        act: entry.act.clone(),
        outcome: if entry.refused { "refused" } else { "done" }.to_owned(),
        subject: entry.subject.clone(),
        request_id: entry.request_id.clone(),
        details: entry.details.clone(),
        previous: hex::encode(previous),
        hash: String::new(),
    };
    record.hash = hex::encode(record.digest(&previous));
    record
}

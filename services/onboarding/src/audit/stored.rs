//! Judging the audit trail where it lies, beside a running server or without one.

use std::collections::BTreeMap;

use sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, IsolationLevel, TransactionTrait,
};

use super::{AuditProblem, Verified, verify::Auditor};
use crate::store::audit::{self as store, Whose};

/// Rows that are read at once.
const AT_ONCE: u64 = 1_000;

/// Walks all chains in onboarding's database, as of one moment.
///
/// # Errors
/// [`AuditProblem`].
pub async fn verify_stored(
    db: &DatabaseConnection,
    keys: &[u8],
    kept: Option<&[u8]>,
) -> Result<Verified, AuditProblem> {
    let mut auditor = Auditor::new(keys, kept)?;
    // Records that come meanwhile must not look like a tail without a head.
    let snapshot = snapshot(db).await?;
    let mut heads = BTreeMap::new();
    let mut after: Option<String> = None;
    loop {
        let page = store::heads(&snapshot, Whose::All, after.as_deref(), AT_ONCE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.chain.clone());
        heads.extend(page.into_iter().map(|head| (head.chain.clone(), head)));
    }
    let mut chains = store::chains(&snapshot).await?;
    chains.extend(heads.keys().cloned());
    chains.sort_unstable();
    chains.dedup();
    for chain in chains {
        let mut after = i64::MIN;
        loop {
            let page = store::of_chain(&snapshot, &chain, after, AT_ONCE).await?;
            let Some(last) = page.last() else { break };
            after = last.sequence;
            page.iter().for_each(|record| auditor.record(record));
        }
        if let Some(head) = heads.get(&chain) {
            auditor.head(head);
        }
    }
    snapshot.rollback().await?;
    Ok(auditor.end())
}

async fn snapshot(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    if db.get_database_backend() == DbBackend::Postgres {
        let level = Some(IsolationLevel::RepeatableRead);
        return db.begin_with_config(level, None).await;
    }
    db.begin().await
}

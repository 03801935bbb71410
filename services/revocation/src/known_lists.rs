//! What is known of revocation, read from the database beside the running processes.

use sea_orm::{DatabaseConnection, DbErr, EntityTrait};
use warikan_pki::AnchorSet;
use warikan_types::{Environment, Timestamp};

use crate::{entity::crl_partition, store::issuer_of};

/// The lists in force of an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownLists {
    /// Whose lists.
    pub environment: Environment,
    /// How many.
    pub lists: usize,
    /// Past their nextUpdate by the time that was given.
    pub stale: usize,
    /// thisUpdate of the oldest.
    pub oldest: Timestamp,
}

/// The lists in force by environment. Those of a pinned issuer whose own time is over do not count; of issuers that are not pinned
/// (the sandbox's, for a process without it) all do.
///
/// # Errors
/// The database failed, or a row cannot be read.
pub async fn known_lists(
    db: &DatabaseConnection,
    anchors: &AnchorSet,
    at: Timestamp,
) -> Result<Vec<KnownLists>, DbErr> {
    let rows = crl_partition::Entity::find().all(db).await?;
    let mut found = Vec::new();
    for environment in [Environment::Production, Environment::Sandbox] {
        let mut lists = Vec::new();
        for row in rows
            .iter()
            .filter(|row| row.environment == environment.as_str())
        {
            let anchor = anchors.by_key(&issuer_of(&row.issuer)?);
            if anchor.is_none_or(|anchor| at <= anchor.certificate().not_after()) {
                lists.push((
                    Timestamp::from(row.this_update),
                    Timestamp::from(row.next_update),
                ));
            }
        }
        if let Some(oldest) = lists.iter().map(|(this_update, _)| *this_update).min() {
            found.push(KnownLists {
                environment,
                lists: lists.len(),
                stale: lists
                    .iter()
                    .filter(|(_, next_update)| *next_update < at)
                    .count(),
                oldest,
            });
        }
    }
    Ok(found)
}

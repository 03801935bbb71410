//! Data keys: each tenant's data is sealed under a key of its own, one for each environment.
//!
//! A data key is made at first use and stored *wrapped*, sealed itself by a key that is in no database ([`KeyWrapping`]: the key file,
//! or a key management service). A key that is destroyed leaves its row as a tombstone, and what it sealed is noise from then on,
//! wherever copies of it lie. Nothing goes back to the platform's own key where a data key cannot be had: the request fails (F096).

mod before;
mod closed;
mod store;
mod wrapping;

use std::{sync::Arc, time::Duration};

use moka::sync::Cache;
use sea_orm::DbErr;
use warikan_http::{Code, Problem};
use warikan_messaging::ServiceDatabase;
use warikan_types::{Sealer, TenantId, TenantScope, Timestamp};

pub use before::under_platform_key;
pub use closed::closed_tenants;
pub use store::migrations as data_key_migrations;
pub(crate) use wrapping::{FileWrapping, NamedKey, Reload};
pub use wrapping::{KeyWrapping, WrapError, Wrapped};

use crate::Platform;

/// Unwrapped keys that are kept; a tenant that is busy finds its own here.
const KEPT: u64 = 10_000;
/// For how long: a key that another process destroyed is used here no longer.
const FOR: Duration = Duration::from_secs(60);

/// A service's data keys. Clones share them.
#[derive(Clone)]
pub struct DataKeys {
    db: ServiceDatabase,
    platform: Platform,
    unwrapped: Cache<TenantScope, Sealer>,
}

/// A tenant's data key is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum DataKeyError {
    /// It was destroyed, and what it sealed with it.
    #[error("the tenant's data key was destroyed")]
    Destroyed,
    /// The key that wraps it cannot be used.
    #[error("a data key cannot be wrapped or unwrapped")]
    Wrapping(#[from] WrapError),
    /// The database failed.
    #[error("the data keys cannot be asked for")]
    Database(#[from] DbErr),
}

impl From<DataKeyError> for Problem {
    fn from(error: DataKeyError) -> Self {
        match error {
            DataKeyError::Destroyed => Self::new(
                Code::TenantNotActive,
                "The tenant is closed, and its data was destroyed.",
            ),
            DataKeyError::Wrapping(WrapError::Unavailable(why)) => {
                tracing::error!(why, "the key management does not answer");
                Self::new(
                    Code::Unavailable,
                    "The keys that protect your data are not to be had at the moment. Repeat the request with the same Idempotency-Key.",
                )
                .retry_after(1)
            }
            DataKeyError::Wrapping(_) => Self::internal(&error),
            DataKeyError::Database(error) => error.into(),
        }
    }
}

/// What a re-wrapping did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rewrapped {
    /// Keys that are in use.
    pub keys: usize,
    /// Of them those that were under another key before.
    pub rewrapped: usize,
}

impl DataKeys {
    /// The keys in a service's database.
    #[must_use]
    pub fn new(db: ServiceDatabase, on: &Platform) -> Self {
        Self {
            db,
            platform: on.clone(),
            unwrapped: Cache::builder()
                .max_capacity(KEPT)
                .time_to_live(FOR)
                .build(),
        }
    }

    /// Seals and opens what is this tenant's in this environment; makes the key where there is none yet. What was sealed under the
    /// platform's key before there were data keys opens too.
    ///
    /// # Errors
    /// [`DataKeyError`].
    pub async fn sealer(&self, scope: TenantScope) -> Result<Sealer, DataKeyError> {
        if let Some(sealer) = self.unwrapped.get(&scope) {
            return Ok(sealer);
        }
        let found = {
            let db = self.db.begin_read(scope).await?;
            store::find(&db, scope).await?
        };
        let row = match found {
            Some(row) => row,
            None => self.make(scope).await?,
        };
        if row.destroyed_at.is_some() {
            return Err(DataKeyError::Destroyed);
        }
        let wrapped = Wrapped {
            under: row.wrapped_under,
            octets: row.wrapped,
        };
        let keys = &self.platform.keys;
        let key = keys.wrapping().unwrap(&place(scope), &wrapped).await?;
        let sealer = Sealer::of_tenant(key, self.platform.entropy.clone(), keys.sealer());
        self.unwrapped.insert(scope, sealer.clone());
        Ok(sealer)
    }

    /// What [`DataKeys::sealer`] gave a moment ago: for work in a transaction, which must wait neither for another connection nor for
    /// whoever wraps. `None` where it was not asked for before, or too long ago.
    #[must_use]
    pub fn at_hand(&self, scope: TenantScope) -> Option<Sealer> {
        self.unwrapped.get(&scope)
    }

    /// A new key. Of two processes that make one at once, one's stays.
    async fn make(&self, scope: TenantScope) -> Result<store::Row, DataKeyError> {
        let key = self.platform.entropy.bytes::<32>();
        // No transaction is open while another's service is asked.
        let wrapping = self.platform.keys.wrapping();
        let wrapped = wrapping.wrap(&place(scope), &key).await?;
        let txn = self.db.begin_write(scope).await?;
        store::insert(&txn, scope, wrapped, self.platform.clock().now()).await?;
        let row = store::find(&txn, scope).await?;
        txn.commit().await?;
        row.ok_or_else(|| DbErr::RecordNotFound("data key".to_owned()).into())
    }

    /// Forgets a tenant's unwrapped keys, after they were destroyed.
    pub fn forget(&self, tenant: TenantId) {
        for scope in store::scopes(tenant) {
            self.unwrapped.invalidate(&scope);
        }
    }

    /// Wraps every key in a service's database anew that is not under the key in force. Begun again, it goes on where it was.
    ///
    /// # Errors
    /// [`DataKeyError`]: what was done until then stays done.
    pub async fn rewrap(
        db: &sea_orm::DatabaseConnection,
        wrapping: &Arc<dyn KeyWrapping>,
    ) -> Result<Rewrapped, DataKeyError> {
        let rows = store::in_use(db).await?;
        let (keys, in_force) = (rows.len(), wrapping.in_force());
        let mut rewrapped = 0;
        for row in rows {
            if row.wrapped_under == in_force {
                continue;
            }
            let scope = row.scope();
            let before = Wrapped {
                under: row.wrapped_under,
                octets: row.wrapped,
            };
            let key = wrapping.unwrap(&place(scope), &before).await?;
            let now = wrapping.wrap(&place(scope), &key).await?;
            // One that was destroyed meanwhile stays destroyed.
            rewrapped += store::replace(db, scope, &before, now).await?;
        }
        Ok(Rewrapped { keys, rewrapped })
    }
}

/// Destroys a tenant's keys in both environments, in the caller's transaction. A tenant that had none gets none any more.
///
/// # Errors
/// The database failed.
pub async fn destroy_data_keys<C: sea_orm::ConnectionTrait>(
    on: &C,
    tenant: TenantId,
    at: Timestamp,
) -> Result<(), DbErr> {
    store::destroy(on, tenant, at).await
}

/// Whether a tenant's key was destroyed, as the caller's transaction sees it.
///
/// # Errors
/// The database failed.
pub async fn is_data_key_destroyed<C: sea_orm::ConnectionTrait>(
    on: &C,
    scope: TenantScope,
) -> Result<bool, DbErr> {
    let row = store::find(on, scope).await?;
    Ok(row.is_some_and(|row| row.destroyed_at.is_some()))
}

/// What a wrapped key is bound to: another tenant's row does not take it.
fn place(scope: TenantScope) -> String {
    format!(
        "data_key/{}/{}",
        scope.tenant(),
        scope.environment().as_str()
    )
}

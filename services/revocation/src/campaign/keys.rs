//! Watches can be found by customer number under a keyed fingerprint; those from before there were campaigns get theirs here.

use std::collections::HashMap;

use warikan_messaging::begin_write;
use warikan_runtime::DataKeyError;
use warikan_types::{Sealer, TenantScope};

use crate::{
    Revocation,
    error::Error,
    store::{erasure, portfolio, scope_of},
    watch::open_reference,
};

impl Revocation {
    /// Makes the fingerprints that are missing. Nearly always there are none, which an index of none says.
    pub(crate) async fn key_references(&self) -> Result<(), Error> {
        let pseudonym = self.0.platform.keys.pseudonym();
        loop {
            let found = portfolio::unkeyed(self.0.db.worker()).await?;
            if found.is_empty() {
                return Ok(());
            }
            let scopes = found.iter().map(scope_of).collect::<Result<Vec<_>, _>>()?;
            let sealers = self.sealers(scopes).await?;
            let txn = begin_write(self.0.db.worker()).await?;
            for row in found {
                let scope = scope_of(&row)?;
                match sealers.get(&scope) {
                    Some(Some(sealer)) => {
                        if let Some(text) = open_reference(&row, sealer)? {
                            portfolio::key(&txn, row.id, pseudonym.fingerprint(scope, &text))
                                .await?;
                        }
                    }
                    // The tenant is closed.
                    _ => erasure::empty(&txn, &[row.id]).await?,
                }
            }
            txn.commit().await?;
        }
    }

    /// These tenants' sealers; `None` for one whose key was destroyed.
    pub(crate) async fn sealers(
        &self,
        scopes: Vec<TenantScope>,
    ) -> Result<HashMap<TenantScope, Option<Sealer>>, Error> {
        let mut sealers = HashMap::new();
        for scope in scopes {
            if sealers.contains_key(&scope) {
                continue;
            }
            let sealer = match self.0.data_keys.sealer(scope).await {
                Ok(sealer) => Some(sealer),
                Err(DataKeyError::Destroyed) => None,
                Err(error) => return Err(error.into()),
            };
            sealers.insert(scope, sealer);
        }
        Ok(sealers)
    }
}

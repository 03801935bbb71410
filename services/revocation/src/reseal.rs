//! Customer numbers from before tenants had data keys here come under those, so that closing a tenant makes them unreadable too.

use warikan_messaging::{begin_write, drop_remains, leave_no_remains};
use warikan_types::TenantScope;

use crate::{
    Revocation,
    error::Error,
    store::resealing::{self, Old, Place},
};

#[derive(Clone, Copy)]
enum Kind {
    Watches,
    Changes,
    Items,
}

impl Revocation {
    /// Seals under the tenants' keys what is under the platform's still; of a tenant that is closed it is erased. Begun again, it goes on
    /// with what is left; nearly always that is nothing, which empty indexes say.
    pub(crate) async fn reseal(&self) -> Result<(), Error> {
        let mut done = 0;
        for kind in [Kind::Watches, Kind::Changes, Kind::Items] {
            let mut after = None;
            loop {
                let found = self.old(kind, after).await?;
                let Some(last) = found.last() else { break };
                after = Some(last.place);
                done += found.len();
                self.reseal_these(&found).await?;
            }
        }
        if done > 0 {
            drop_remains(self.0.db.worker()).await;
            tracing::info!(done, "customer numbers sealed under their tenants' keys");
        }
        Ok(())
    }

    async fn old(&self, kind: Kind, after: Option<Place>) -> Result<Vec<Old>, Error> {
        let db = self.0.db.worker();
        Ok(match kind {
            Kind::Watches => resealing::of_watches(db, after).await?,
            Kind::Changes => resealing::of_changes(db, after).await?,
            Kind::Items => resealing::of_items(db, after).await?,
        })
    }

    async fn reseal_these(&self, found: &[Old]) -> Result<(), Error> {
        let scopes: Vec<TenantScope> = found.iter().map(|old| old.scope).collect();
        let sealers = self.sealers(scopes).await?;
        let platform = self.0.platform.keys.sealer();
        let txn = begin_write(self.0.db.worker()).await?;
        let thorough = leave_no_remains(&txn).await?;
        for old in found {
            let new = match sealers.get(&old.scope) {
                Some(Some(sealer)) => match platform.open(&old.bound_to, &old.sealed) {
                    Ok(plain) => Some(sealer.seal(&old.bound_to, &plain)),
                    Err(error) => {
                        let tenant = old.scope.tenant();
                        tracing::error!(%tenant, %error, "a customer number cannot be sealed anew");
                        continue;
                    }
                },
                // The tenant is closed.
                _ => None,
            };
            resealing::replace(&txn, old, new).await?;
        }
        thorough.end(&txn).await?;
        txn.commit().await?;
        Ok(())
    }
}

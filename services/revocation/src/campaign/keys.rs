//! Watches can be found by customer number under a keyed fingerprint; those from before there were campaigns get theirs here.

use warikan_messaging::begin_write;

use crate::{Revocation, error::Error, store::portfolio, store::scope_of, watch::open_reference};

impl Revocation {
    /// Makes the fingerprints that are missing. Nearly always there are none, which an index of none says.
    pub(crate) async fn key_references(&self) -> Result<(), Error> {
        let keys = &self.0.platform.keys;
        while !portfolio::unkeyed(self.0.db.worker()).await?.is_empty() {
            let txn = begin_write(self.0.db.worker()).await?;
            for row in portfolio::unkeyed(&txn).await? {
                if let Some(text) = open_reference(&row, keys.sealer())? {
                    let key = keys.pseudonym().fingerprint(scope_of(&row)?, &text);
                    portfolio::key(&txn, row.id, key).await?;
                }
            }
            txn.commit().await?;
        }
        Ok(())
    }
}

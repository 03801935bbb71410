//! Telling tenants of what comes and of what is missing: certificates that end soon, and lists that stopped coming.
//!
//! Each is said once. That a tenant was told is written in the transaction that holds the fact, so a crash neither loses nor
//! repeats it, and of two processes one tells. Staleness is told to every tenant with watches in the environment, because for them
//! silence would mean "nothing was revoked"; who only verifies reads it in every answer (`status_stale`). A tenant that begins
//! to watch while lists are stale is told at the next turn.

use std::{collections::HashSet, time::Duration};

use uuid::Uuid;
use warikan_contracts::{
    Envelope,
    facts::{CertificateExpiring, Channel, SourceRecovered, SourceStale},
};
use warikan_messaging::{Hold, Outbox, begin_write, hold};
use warikan_types::{CertificateHandle, Environment, Id, TenantScope, Timestamp};

use crate::{
    Revocation,
    entity::watch,
    error::Error,
    store::{CHUNK, kind_of, notices, scope_of},
};

const DAY: Duration = Duration::from_secs(24 * 3600);

impl Revocation {
    /// Tells of certificates under watch that end soon by their environment's clock.
    pub(crate) async fn tell_expiring(&self) -> Result<(), Error> {
        let notice = DAY * self.0.config.expiring_notice_days;
        for environment in Environment::ALL {
            let at = self.time_of(environment);
            let range = (at, at.plus(notice));
            // Asking first spares the lock: nearly always there is nothing.
            while !notices::expiring(self.0.db.worker(), environment, range)
                .await?
                .is_empty()
            {
                let now = self.0.platform.clock().now();
                let txn = begin_write(self.0.db.worker()).await?;
                // Of two processes at once the second finds nothing left.
                let name = format!("expiring/{}", environment.as_str());
                hold(&txn, &name, Hold::Exclusive).await?;
                let rows = notices::expiring(&txn, environment, range).await?;
                let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
                notices::told_expiring(&txn, &ids, now).await?;
                let facts = rows.iter().map(|row| self.expiring(row, now));
                Outbox::append(&txn, facts.collect::<Result<Vec<_>, _>>()?).await?;
                txn.commit().await?;
                self.0.relay.wake();
            }
        }
        Ok(())
    }

    fn expiring(&self, row: &watch::Model, now: Timestamp) -> Result<Envelope, Error> {
        let watch = Id::from_uuid(row.id);
        let fact = CertificateExpiring {
            watch,
            handle: CertificateHandle::from_uuid(row.handle),
            kind: kind_of(&row.kind)?,
            subject: row.subject.map(Id::from_uuid),
            not_after: Timestamp::new(row.not_after),
        };
        let id = self.0.platform.entropy.id(now);
        let scope = Some(scope_of(row)?);
        Ok(Envelope::of(id, scope, now, watch.to_string(), &fact))
    }

    /// Tells of an environment's lists that are past their nextUpdate, and that all are in force again.
    pub(crate) async fn tell_freshness(&self, environment: Environment) -> Result<(), Error> {
        let fresh = self.freshness(environment);
        let told = notices::told_stale(self.0.db.worker(), environment).await?;
        let Some(since) = fresh.next_update.filter(|_| fresh.stale_lists > 0) else {
            return self.tell_recovered(&told).await;
        };
        let heard: HashSet<Uuid> = told.iter().map(|(one, _)| one.tenant().uuid()).collect();
        let unheard: Vec<TenantScope> = notices::watching(self.0.db.worker(), environment)
            .await?
            .into_iter()
            .filter(|tenant| !heard.contains(tenant))
            .map(|tenant| TenantScope::of_event(Id::from_uuid(tenant), environment))
            .collect();
        let now = self.0.platform.clock().now();
        let fact = SourceStale {
            channel: Channel::Crl,
            since,
            lists: fresh.lists,
            stale_lists: fresh.stale_lists,
        };
        for chunk in unheard.chunks(CHUNK) {
            let txn = begin_write(self.0.db.worker()).await?;
            let mut facts = Vec::new();
            for scope in chunk {
                if notices::tell_stale(*scope, &txn, since).await? {
                    let id = self.0.platform.entropy.id(now);
                    facts.push(Envelope::of(id, Some(*scope), now, "crl", &fact));
                }
            }
            Outbox::append(&txn, facts).await?;
            txn.commit().await?;
            self.0.relay.wake();
        }
        Ok(())
    }

    async fn tell_recovered(&self, told: &[(TenantScope, Timestamp)]) -> Result<(), Error> {
        let now = self.0.platform.clock().now();
        for chunk in told.chunks(CHUNK) {
            let txn = begin_write(self.0.db.worker()).await?;
            let mut facts = Vec::new();
            for (scope, since) in chunk {
                if notices::tell_recovered(*scope, &txn).await? {
                    let fact = SourceRecovered {
                        channel: Channel::Crl,
                        stale_since: *since,
                    };
                    let id = self.0.platform.entropy.id(now);
                    facts.push(Envelope::of(id, Some(*scope), now, "crl", &fact));
                }
            }
            Outbox::append(&txn, facts).await?;
            txn.commit().await?;
            self.0.relay.wake();
        }
        Ok(())
    }
}

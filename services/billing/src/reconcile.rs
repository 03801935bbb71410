//! Usage held against the services' own operations.
//!
//! Facts are how billing hears of operations, and a fact can be lost on its way: a queue is purged, a database restored. What a
//! service answered it has written down itself, in the transaction of the answer; so the services are asked. First for tallies,
//! which agree where nothing is wrong and cost little; where they do not, operation by operation, and what is missing is taken as
//! usage, under the same key and by the same rules as if its fact had come. What came late for a closed month goes on the next
//! invoice. Usage that no service knows cannot be mended here: it is listed, and a month with such a difference is closed only when
//! the operator says so. A service that cannot be asked leaves the question open: that is never told as *no difference*.
//!
//! A certificate that two services checked by list is one use and two operations, so tallies of such tenants never agree. What was
//! compared one by one and found the same is remembered with its tallies, and is not compared again before one of them changes.

mod unknown;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use futures_util::future::join_all;
use warikan_contracts::operations::{
    Metered, MeteredOperation, MeteredOperations, OperationGroup, OperationsUnavailable, Tally,
};
use warikan_messaging::begin_write;
use warikan_runtime::metrics;
use warikan_types::{BillingMonth, TenantScope, Timestamp};

use crate::{
    Billing,
    error::BillingError,
    reconciliation::{Difference, MOST_TOLD, Reconciliation, ServiceOperations},
    store::{
        months, recipients,
        reconciliation::{self as store, Agreed},
        usage,
    },
    usage::{Operation, key_of},
};

/// What is younger may still be on its way, and is left to the next comparison of the task.
const ON_ITS_WAY: Duration = Duration::from_secs(600);

/// What the services say of a month.
struct Told {
    /// By group, the tally of each service that has any, by its place among the services.
    groups: BTreeMap<OperationGroup, BTreeMap<usize, Tally>>,
    services: Vec<ServiceOperations>,
}

/// What comparing one group came to.
#[derive(Default)]
struct Compared {
    recovered: u64,
    unknown: i64,
    differences: Vec<Difference>,
}

/// Which operations are compared.
#[derive(Clone, Copy)]
struct Span {
    month: BillingMonth,
    /// Accepted before this.
    until: Timestamp,
}

impl Billing {
    /// Compares a month's usage with the operations that were accepted before `until`, takes what is missing as usage, and keeps what
    /// was found.
    pub(crate) async fn reconcile(
        &self,
        month: BillingMonth,
        until: Timestamp,
    ) -> Result<Reconciliation, BillingError> {
        let _alone = self.0.reconciling.lock().await;
        let span = Span { month, until };
        let db = self.0.db.worker();
        let mut told = self.ask_for_tallies(span).await;
        let mut tenants = recipients::known(db).await?;
        tenants.extend(told.groups.keys().map(|group| group.tenant));
        let mut sum = Compared::default();
        let mut usage_records = 0;
        for tenant in tenants {
            let held = store::held(db, tenant, month, until).await?;
            let of_tenant = told.groups.keys().filter(|group| group.tenant == tenant);
            let groups: BTreeSet<OperationGroup> = of_tenant.chain(held.keys()).copied().collect();
            for group in groups {
                let held = held.get(&group).copied().unwrap_or_default();
                let compared = self.compare_group(span, group, held, &mut told).await?;
                usage_records += held.operations;
                sum.recovered += compared.recovered;
                sum.unknown += compared.unknown;
                let room = MOST_TOLD.saturating_sub(sum.differences.len());
                sum.differences
                    .extend(compared.differences.into_iter().take(room));
            }
        }
        let recovered = i64::try_from(sum.recovered).unwrap_or(i64::MAX);
        let before = store::last(db, month).await?;
        let found = Reconciliation::new(
            month,
            (self.0.platform.clock().now(), until),
            told.services,
            usage_records.saturating_add(recovered),
            (recovered, before.map_or(0, |before| before.recovered_total)),
            (sum.unknown, sum.differences),
        );
        store::keep(db, &found).await?;
        if sum.recovered > 0 {
            metrics::usage_recovered(sum.recovered);
            tracing::warn!(%month, recovered, "operations were taken as usage whose facts had not been heard");
        }
        Ok(found)
    }

    /// Compares every month that may still change: from the last closed one to the running one.
    pub(crate) async fn reconcile_open_months(&self) -> Result<(), BillingError> {
        if self.0.paid_for.is_empty() {
            return Ok(());
        }
        let now = self.0.platform.clock().now();
        let running = BillingMonth::of(now);
        let db = self.0.db.worker();
        let mut month = match months::closed_through(db).await? {
            Some(closed) => closed,
            None => usage::first_month(db).await?.unwrap_or(running),
        };
        let (mut difference, mut silent) = (Some(0_u64), BTreeSet::new());
        while month <= running {
            let found = self.reconcile(month, now.minus(ON_ITS_WAY)).await?;
            silent.extend(found.silent().map(str::to_owned));
            let one = found.difference.and_then(|one| u64::try_from(one).ok());
            difference = difference
                .zip(one)
                .map(|(sum, one)| sum.saturating_add(one));
            month = month.next();
        }
        metrics::usage_compared(difference, silent.len() as u64);
        if silent.is_empty() {
            return Ok(());
        }
        let silent: Vec<String> = silent.into_iter().collect();
        Err(BillingError::ServicesSilent(silent.join(", ")))
    }

    async fn ask_for_tallies(&self, span: Span) -> Told {
        let paid_for = &self.0.paid_for;
        let answers = join_all(
            paid_for
                .iter()
                .map(|service| service.tallies(span.month, span.until)),
        )
        .await;
        let mut told = Told {
            groups: BTreeMap::new(),
            services: Vec::new(),
        };
        for (place, (service, answer)) in paid_for.iter().zip(answers).enumerate() {
            let operations = match answer {
                Ok(tallies) => {
                    let mut all = Tally::default();
                    for one in tallies {
                        all = all.plus(one.tally);
                        let group = told.groups.entry(one.group).or_default();
                        group.insert(place, one.tally);
                    }
                    Some(all.operations)
                }
                Err(error) => {
                    tracing::warn!(%error, month = %span.month, "usage cannot be compared");
                    None
                }
            };
            told.services.push(ServiceOperations {
                service: service.service().to_owned(),
                operations,
            });
        }
        told
    }

    /// One group: nothing more to do where the tallies agree, or did not change since they were found to be the same.
    async fn compare_group(
        &self,
        span: Span,
        group: OperationGroup,
        held: Tally,
        told: &mut Told,
    ) -> Result<Compared, BillingError> {
        let db = self.0.db.worker();
        let of_services = told.groups.get(&group).cloned().unwrap_or_default();
        let sum = of_services
            .values()
            .fold(Tally::default(), |sum, one| sum.plus(*one));
        let complete = |told: &Told| self.is_complete(group.meter, told);
        if complete(told) {
            let agreed = Agreed { told: sum, held };
            if sum == held || store::agreed(db, span.month, group).await? == Some(agreed) {
                return Ok(Compared::default());
            }
        }
        let mut compared = Compared::default();
        let mut seen = HashSet::new();
        for place in of_services.keys().copied() {
            let service = &self.0.paid_for[place];
            match self
                .take_missing(span, group, &**service, &mut seen)
                .await?
            {
                Ok(new) => compared.recovered += new,
                Err(error) => {
                    tracing::warn!(%error, month = %span.month, "usage cannot be compared");
                    told.services[place].operations = None;
                }
            }
        }
        if compared.recovered > 0 {
            self.used([group.scope()]);
        }
        if !complete(told) {
            return Ok(compared);
        }
        let held = store::held(db, group.tenant, span.month, span.until).await?;
        let held = held.get(&group).copied().unwrap_or_default();
        if held.operations > i64::try_from(seen.len()).unwrap_or(i64::MAX) {
            let mut unknown = self.not_seen(span, group, &seen).await?;
            for (place, service) in self.0.paid_for.iter().enumerate() {
                if !service.meters().contains(&group.meter) {
                    continue;
                }
                if let Err(error) = unknown.ask_again(span, group, &**service).await {
                    tracing::warn!(%error, month = %span.month, "usage cannot be compared");
                    told.services[place].operations = None;
                    return Ok(compared);
                }
            }
            compared.unknown = i64::try_from(unknown.digests.len()).unwrap_or(i64::MAX);
            compared.differences = unknown.told();
        }
        if compared.unknown == 0 {
            let agreed = Agreed { told: sum, held };
            store::agree(db, span.month, group, agreed).await?;
        }
        Ok(compared)
    }

    /// Whether every service that may have operations of this sort has answered.
    fn is_complete(&self, meter: Metered, told: &Told) -> bool {
        let mut services = self.0.paid_for.iter().zip(&told.services);
        services
            .all(|(service, said)| said.operations.is_some() || !service.meters().contains(&meter))
    }

    /// Goes through a service's operations of a group; how many were taken as usage.
    async fn take_missing(
        &self,
        span: Span,
        group: OperationGroup,
        service: &dyn MeteredOperations,
        seen: &mut HashSet<u64>,
    ) -> Result<Result<u64, OperationsUnavailable>, BillingError> {
        let scope = group.scope();
        let (mut after, mut recovered) = (None, 0);
        loop {
            let page = service.page(span.month, span.until, group, after).await;
            let page = match page {
                Ok(page) => page,
                Err(error) => return Ok(Err(error)),
            };
            let Some(last) = page.last() else {
                return Ok(Ok(recovered));
            };
            after = Some(last.key);
            recovered += self.take_page(scope, &page, seen).await?;
        }
    }

    async fn take_page(
        &self,
        scope: TenantScope,
        page: &[MeteredOperation],
        seen: &mut HashSet<u64>,
    ) -> Result<u64, BillingError> {
        let keys: Vec<String> = page.iter().map(key_of).collect();
        seen.extend(keys.iter().map(|key| digest(key)));
        let Some(first) = page.first() else {
            return Ok(0);
        };
        let known = store::known(scope, self.0.db.worker(), first.meter, &keys).await?;
        let mut missing = Vec::new();
        for (told, key) in page.iter().zip(&keys) {
            if !known.contains(key) {
                match Operation::of(scope.environment(), told) {
                    Ok(operation) => missing.push((scope, operation)),
                    // Its fact was parked for the same reason.
                    Err(error) => tracing::error!(%error, key, "an operation cannot be billed"),
                }
            }
        }
        if missing.is_empty() {
            return Ok(0);
        }
        let platform = &self.0.platform;
        let txn = begin_write(self.0.db.worker()).await?;
        // Alone: meters may be about to write the same records, in another order.
        let closed_through = months::closed_through_while_closing(&txn).await?;
        let now = platform.clock().now();
        let new = usage::record(&txn, &missing, closed_through, &platform.entropy, now).await?;
        txn.commit().await?;
        Ok(new)
    }
}

/// Eight octets for a key: a month of millions of operations has to fit into memory.
fn digest(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

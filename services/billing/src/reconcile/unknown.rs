//! Usage that no service knows.

use std::collections::HashSet;

use warikan_contracts::operations::{MeteredOperations, OperationGroup, OperationsUnavailable};

use super::{Span, digest};
use crate::{
    Billing,
    error::BillingError,
    reconciliation::{Difference, MOST_TOLD},
    store::reconciliation as store,
    usage::key_of,
};

impl Billing {
    /// Finds usage that was not seen among the operations.
    pub(super) async fn not_seen(
        &self,
        span: Span,
        group: OperationGroup,
        seen: &HashSet<u64>,
    ) -> Result<Unknown, BillingError> {
        let (db, scope) = (self.0.db.worker(), group.scope());
        let (mut unknown, mut after) = (Unknown::default(), None);
        loop {
            let records = store::records(scope, db, group.meter, span.month, after).await?;
            let Some(last) = records.last() else {
                return Ok(unknown);
            };
            after = Some(last.operation.clone());
            for record in records {
                let digest = digest(&record.operation);
                if record.accepted_at >= span.until || seen.contains(&digest) {
                    continue;
                }
                unknown.digests.insert(digest);
                if unknown.differences.len() < MOST_TOLD {
                    unknown.differences.push(Difference {
                        tenant: group.tenant,
                        environment: group.environment,
                        meter: group.meter.into(),
                        operation: record.operation,
                        record: record.id,
                        accepted_at: record.accepted_at,
                    });
                }
            }
        }
    }
}

/// Usage that was not seen among the operations.
#[derive(Default)]
pub(super) struct Unknown {
    pub(super) digests: HashSet<u64>,
    /// The first of it.
    differences: Vec<Difference>,
}

impl Unknown {
    /// Strikes out what a service knows now: an operation may have been answered, and its fact heard, after the service was asked. What
    /// was recorded before this question was answered before it.
    pub(super) async fn ask_again(
        &mut self,
        span: Span,
        group: OperationGroup,
        service: &dyn MeteredOperations,
    ) -> Result<(), OperationsUnavailable> {
        let mut after = None;
        while !self.digests.is_empty() {
            let page = service.page(span.month, span.until, group, after).await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = Some(last.key);
            for one in &page {
                self.digests.remove(&digest(&key_of(one)));
            }
        }
        Ok(())
    }

    pub(super) fn told(mut self) -> Vec<Difference> {
        let digests = self.digests;
        self.differences
            .retain(|one| digests.contains(&digest(&one.operation)));
        self.differences
    }
}

//! What a comparison of usage with operations found, as it is kept and told.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_types::{BillingMonth, Environment, Id, TenantId, Timestamp, UsageRecord};

use crate::words::Meter;

/// Differences that an answer lists; their number is told whole.
pub(crate) const MOST_TOLD: usize = 100;
/// Differences that a refusal names.
const NAMED: usize = 3;

/// How a comparison ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReconciliationState {
    /// The month was never compared.
    Never,
    /// Usage and operations are the same.
    Agrees,
    /// There is usage that no service knows.
    Differs,
    /// A service could not be asked: whether there is a difference is not known.
    Incomplete,
}

/// What a service said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct ServiceOperations {
    /// The service.
    pub(crate) service: String,
    /// Its operations in the month; `null` where it could not be asked. A certificate that two services checked by list is an
    /// operation of both, and one use.
    pub(crate) operations: Option<i64>,
}

/// A usage record that no service knows as an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = UsageDifference)]
pub(crate) struct Difference {
    /// Whose.
    #[schema(value_type = String)]
    pub(crate) tenant: TenantId,
    /// In which environment.
    pub(crate) environment: Environment,
    /// What it counts.
    pub(crate) meter: Meter,
    /// The operation it names.
    pub(crate) operation: String,
    /// The record.
    #[schema(value_type = String)]
    pub(crate) record: Id<UsageRecord>,
    /// When the operation was accepted, as it was heard.
    pub(crate) accepted_at: Timestamp,
}

/// What the last comparison of a month's usage with the services' own operations found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = UsageReconciliation)]
pub(crate) struct Reconciliation {
    /// The month in Japan.
    pub(crate) period: BillingMonth,
    /// How it ended.
    pub(crate) state: ReconciliationState,
    /// When it was made.
    pub(crate) checked_at: Option<Timestamp>,
    /// Operations accepted before this moment were compared: younger ones may still be on their way.
    pub(crate) until: Option<Timestamp>,
    /// What each service said.
    pub(crate) services: Vec<ServiceOperations>,
    /// Usage records of the month, after the comparison.
    pub(crate) usage_records: i64,
    /// Operations that billing had not heard of and that were taken as usage by this comparison. Of a closed month they go on the next
    /// invoice.
    pub(crate) recovered: i64,
    /// The same over all comparisons of the month.
    pub(crate) recovered_total: i64,
    /// Usage records that no service knows; `null` where a service could not be asked.
    pub(crate) difference: Option<i64>,
    /// The first hundred of them.
    pub(crate) differences: Vec<Difference>,
}

impl Reconciliation {
    /// Of a month that was never compared.
    pub(crate) const fn never(period: BillingMonth) -> Self {
        Self {
            period,
            state: ReconciliationState::Never,
            checked_at: None,
            until: None,
            services: Vec::new(),
            usage_records: 0,
            recovered: 0,
            recovered_total: 0,
            difference: None,
            differences: Vec::new(),
        }
    }

    pub(crate) fn new(
        period: BillingMonth,
        (checked_at, until): (Timestamp, Timestamp),
        services: Vec<ServiceOperations>,
        usage_records: i64,
        (recovered, recovered_before): (i64, i64),
        (unknown, differences): (i64, Vec<Difference>),
    ) -> Self {
        let complete = services.iter().all(|one| one.operations.is_some());
        let state = match (complete, unknown) {
            (false, _) => ReconciliationState::Incomplete,
            (true, 0) => ReconciliationState::Agrees,
            (true, _) => ReconciliationState::Differs,
        };
        Self {
            period,
            state,
            checked_at: Some(checked_at),
            until: Some(until),
            services,
            usage_records,
            recovered,
            recovered_total: recovered_before.saturating_add(recovered),
            difference: complete.then_some(unknown),
            differences,
        }
    }

    /// The services that could not be asked.
    pub(crate) fn silent(&self) -> impl Iterator<Item = &str> {
        let silent = self.services.iter().filter(|one| one.operations.is_none());
        silent.map(|one| one.service.as_str())
    }

    /// Why the month should not be closed as it is; `None` where nothing speaks against it.
    pub(crate) fn objection(&self) -> Option<String> {
        let mut why = Vec::new();
        let silent: Vec<&str> = self.silent().collect();
        if !silent.is_empty() {
            why.push(format!(
                "{} could not be asked for operations",
                silent.join(" and ")
            ));
        }
        let unknown = self.difference.unwrap_or(0);
        if unknown > 0 {
            let named: Vec<&str> = self
                .differences
                .iter()
                .take(NAMED)
                .map(|one| one.operation.as_str())
                .collect();
            why.push(format!(
                "{unknown} usage records are known to no service ({}{})",
                named.join(", "),
                if self.differences.len() > NAMED {
                    ", .."
                } else {
                    ""
                }
            ));
        }
        (!why.is_empty()).then(|| why.join("; "))
    }
}

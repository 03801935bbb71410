//! The HTTP operations of billing.

pub(crate) mod budget;
pub(crate) mod corrections;
pub(crate) mod estimates;
pub(crate) mod exports;
pub(crate) mod operator;
pub(crate) mod purposes;
pub(crate) mod reconciliation;
pub(crate) mod rules;
pub(crate) mod shared_costs;
pub(crate) mod statements;
pub(crate) mod tenant;

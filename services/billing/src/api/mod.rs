//! The HTTP operations of billing.

pub(crate) mod corrections;
pub(crate) mod exports;
mod media;
pub(crate) mod operator;
pub(crate) mod shared_costs;
pub(crate) mod tenant;

//! The HTTP operations of billing.

pub(crate) mod operator;
pub(crate) mod tenant;

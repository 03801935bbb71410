//! The handlers: parse, ask, answer.

pub(crate) mod credentials;
pub(crate) mod oauth;
pub(crate) mod tenants;

//! The handlers: parse, ask, answer.

pub(crate) mod credentials;
pub(crate) mod discovery;
pub(crate) mod oauth;
pub(crate) mod own_credentials;
pub(crate) mod tenants;

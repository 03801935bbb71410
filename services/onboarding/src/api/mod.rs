//! The handlers: parse, ask, answer.

pub(crate) mod accounts;
pub(crate) mod audit;
pub(crate) mod credentials;
pub(crate) mod discovery;
pub(crate) mod filing;
pub(crate) mod oauth;
pub(crate) mod own_credentials;
pub(crate) mod tenants;
pub(crate) mod token_keys;

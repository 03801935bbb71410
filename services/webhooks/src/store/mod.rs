//! The only place that knows how rows are asked for.
//!
//! Functions that serve a tenant take its [`TenantScope`] first and filter by it; those that serve the dispatcher work
//! across tenants and are named in `queue`.

pub(crate) mod deliveries;
pub(crate) mod endpoints;
pub(crate) mod feed;
pub(crate) mod notices;
pub(crate) mod queue;
pub(crate) mod resealing;
pub(crate) mod retention;
pub(crate) mod standing;

use warikan_types::TenantScope;

fn environment(scope: TenantScope) -> &'static str {
    scope.environment().as_str()
}

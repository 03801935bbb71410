//! What a service brings along.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use utoipa_actix_web::service_config::ServiceConfig;
use warikan_messaging::Consumer;

use crate::Task;

/// Registers a service's routes (and their documentation) and state.
pub type Routes = Arc<dyn Fn(&mut ServiceConfig<'_>) + Send + Sync>;
/// Asks whether a service can do its work. Where it can, the text is what an operator should know all the same (a list
/// that has grown stale); where it cannot, what is wrong.
pub type Readiness =
    Arc<dyn Fn() -> BoxFuture<'static, Result<Option<String>, String>> + Send + Sync>;

/// A service, ready to be mounted.
#[derive(Clone)]
pub struct Module {
    /// Its name.
    pub name: &'static str,
    /// Its routes.
    pub routes: Routes,
    /// What it listens to.
    pub consumers: Vec<Consumer>,
    /// What it does on its own.
    pub tasks: Vec<Task>,
    /// Whether it can work.
    pub ready: Readiness,
}

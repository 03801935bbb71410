//! Which service has which operation: read from the services' own route tables, not kept beside them.

use actix_router::ResourceDef;
use actix_web::{App, http::Method};
use utoipa::openapi::{OpenApi, PathItem, path::Operation};
use utoipa_actix_web::{AppExt, service_config::ServiceConfig};

/// A service in another process.
#[derive(Clone)]
pub struct Remote {
    /// Its name.
    pub name: &'static str,
    /// Its routes, without a service behind them.
    pub routes: fn(&mut ServiceConfig<'_>),
    /// `http://host:port` of its inner listener, of each of its replicas; at least one.
    pub addresses: Vec<String>,
}

struct Path {
    pattern: ResourceDef,
    service: usize,
    /// Each with whether it wants an access token.
    methods: Vec<(Method, bool)>,
}

/// The public operations of all services.
pub(crate) struct Table(Vec<Path>);

/// A published operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// The path as it is published.
    pub(crate) pattern: String,
    /// The service's place in the list of remotes.
    pub(crate) service: usize,
    /// Whether it wants an access token.
    pub(crate) secured: bool,
}

impl Table {
    pub(crate) fn new(remotes: &[Remote]) -> Self {
        let paths = remotes.iter().enumerate().flat_map(|(service, remote)| {
            document(remote)
                .paths
                .paths
                .into_iter()
                .map(move |(path, item)| Path {
                    pattern: ResourceDef::new(path.as_str()),
                    service,
                    methods: methods(&item),
                })
        });
        Self(paths.collect())
    }

    /// The operation that a request asks for, if it is published.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Option<Found> {
        self.0
            .iter()
            .filter(|one| one.pattern.is_match(path))
            .find_map(|one| {
                let (_, secured) = one.methods.iter().find(|(its, _)| its == method)?;
                Some(Found {
                    pattern: one.pattern.pattern().unwrap_or_default().to_owned(),
                    service: one.service,
                    secured: *secured,
                })
            })
    }
}

fn document(remote: &Remote) -> OpenApi {
    let (_, api) = App::new()
        .into_utoipa_app()
        .configure(remote.routes)
        .split_for_parts();
    api
}

fn methods(item: &PathItem) -> Vec<(Method, bool)> {
    [
        (Method::GET, &item.get),
        (Method::POST, &item.post),
        (Method::PUT, &item.put),
        (Method::PATCH, &item.patch),
        (Method::DELETE, &item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, secured(operation.as_ref()?))))
    .collect()
}

/// An operation without a security requirement, or with an empty one, takes no token (OpenAPI 3.1.0, Security Requirement Object).
fn secured(operation: &Operation) -> bool {
    let Some(requirements) = &operation.security else {
        return false;
    };
    !requirements.is_empty()
        && requirements.iter().all(|one| {
            serde_json::to_value(one)
                .is_ok_and(|value| value.as_object().is_some_and(|it| !it.is_empty()))
        })
}

impl Remote {
    /// Its public paths.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        document(self).paths.paths.into_keys().collect()
    }
}

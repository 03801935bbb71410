//! The question between processes: what a service's inner listener answers billing.

use std::sync::Arc;

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse, get,
    web::{Data, Query, ServiceConfig},
};
use serde::Deserialize;
use uuid::Uuid;
use warikan_contracts::operations::{
    Metered, MeteredOperations, OperationGroup, OperationKey, OperationsUnavailable,
};
use warikan_http::{Code, Problem};
use warikan_runtime::AskingService;
use warikan_types::{BillingMonth, Environment, TenantId, Timestamp};

/// Who may ask.
const ASKER: &str = "billing";

type Answering = Arc<dyn MeteredOperations>;

/// The routes for the inner listener of the service that these operations are of.
pub fn inner_routes(
    operations: Answering,
) -> impl Fn(&mut ServiceConfig) + Clone + Send + Sync + 'static {
    let state = Data::new(operations);
    move |config| {
        config
            .app_data(state.clone())
            .service(tallies)
            .service(page);
    }
}

/// Of the platform's processes billing alone has a use for whose operations there are.
fn admit(request: &HttpRequest) -> Result<(), Problem> {
    match request.extensions().get::<AskingService>() {
        Some(AskingService(name)) if name == ASKER => Ok(()),
        Some(_) | None => Err(Problem::not_found()),
    }
}

fn unavailable(error: OperationsUnavailable) -> Problem {
    tracing::warn!(%error, "operations could not be told");
    Problem::new(Code::Unavailable, "The operations cannot be read just now.").retry_after(1)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TalliesOf {
    month: BillingMonth,
    until: Timestamp,
}

#[get("/inner/operations/tallies")]
async fn tallies(
    request: HttpRequest,
    asked: Query<TalliesOf>,
    operations: Data<Answering>,
) -> Result<HttpResponse, Problem> {
    admit(&request)?;
    let tallies = operations
        .tallies(asked.month, asked.until)
        .await
        .map_err(unavailable)?;
    Ok(HttpResponse::Ok().json(tallies))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PageOf {
    month: BillingMonth,
    until: Timestamp,
    tenant: TenantId,
    environment: Environment,
    meter: Metered,
    after_id: Option<Uuid>,
    #[serde(default)]
    after_place: i32,
}

#[get("/inner/operations")]
async fn page(
    request: HttpRequest,
    asked: Query<PageOf>,
    operations: Data<Answering>,
) -> Result<HttpResponse, Problem> {
    admit(&request)?;
    let asked = asked.into_inner();
    let group = OperationGroup {
        tenant: asked.tenant,
        environment: asked.environment,
        meter: asked.meter,
    };
    let after = asked.after_id.map(|id| OperationKey {
        id,
        place: asked.after_place,
    });
    let page = operations
        .page(asked.month, asked.until, group, after)
        .await
        .map_err(unavailable)?;
    Ok(HttpResponse::Ok().json(page))
}

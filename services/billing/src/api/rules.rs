//! The published table of what is billed.

use actix_web::{get, web::Json};
use serde::Serialize;
use utoipa::ToSchema;

use crate::billable::{PublishedRow, published};

/// What is billed, and what is not.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BillingRules {
    /// The first rule that fits decides. Every usage record names the rule that decided about it.
    rules: Vec<PublishedRow>,
}

/// What is billed
///
/// The published table, from the code that decides: valid and revoked answers are billed; refused requests, failures of the
/// platform, what it could not find out, the sandbox and re-reads are not.
#[utoipa::path(tag = "billing", operation_id = "list_billing_rules", security(()),
    responses((status = 200, description = "The table.", body = BillingRules)))]
#[get("/v1/billing-rules")]
pub(crate) async fn list() -> Json<BillingRules> {
    Json(BillingRules { rules: published() })
}

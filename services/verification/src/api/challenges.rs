//! `POST /v1/challenges`.

use actix_web::{HttpRequest, HttpResponse, post, web::Data};
use warikan_http::{Answer, Body, Idempotency, Problem, ProblemDocument, TenantCaller, needs};

use crate::{Verification, challenge::ChallengeView, request::ChallengeRequest, store};

/// Make a challenge
///
/// For `authentication` the card signs the octets of `challenge`. For `signature` the digest of what the person is shown
/// is fixed here. A challenge is good for one verification by the same tenant, for ten minutes.
#[utoipa::path(operation_id = "create_challenge", tag = "verification", request_body = ChallengeRequest, security(("oauth2" = ["verifications"])),
    responses((status = 201, body = ChallengeView), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 409, body = ProblemDocument), (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument)))]
#[post("/v1/challenges")]
pub(crate) async fn create(
    caller: TenantCaller<needs::Verifications>,
    request: HttpRequest,
    body: Body<ChallengeRequest>,
    verification: Data<Verification>,
) -> Result<HttpResponse, Problem> {
    let inner = &verification.0;
    let sealer = inner.platform.keys.sealer();
    let once = Idempotency::of(
        &request,
        "create_challenge",
        Some(caller.scope),
        body.digest(),
        sealer,
    )?;
    let (row, view) = verification.new_challenge(caller.scope, &body)?;
    let transaction = inner.db.begin_write(caller.scope).await?;
    if let Some(answer) = once
        .claim(&transaction, inner.platform.clock().now())
        .await?
    {
        transaction.rollback().await?;
        return Ok(answer.into());
    }
    store::insert_challenge(&transaction, row).await?;
    let answer = Answer::json(201, &view);
    once.keep(&transaction, &answer).await?;
    transaction.commit().await?;
    Ok(answer.into())
}

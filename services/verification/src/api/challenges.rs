//! `POST /v1/challenges`.

use actix_web::{HttpRequest, HttpResponse, post, web::Data};
use warikan_http::{Answer, Body, Idempotency, Problem, ProblemDocument, TenantCaller, needs};

use crate::{
    Verification,
    challenge::ChallengeView,
    commit::{Entry, Work},
    request::ChallengeRequest,
};

/// Make a challenge
///
/// For `authentication` the card signs the octets of `challenge`. For `signature` the digest of what the person is shown
/// is fixed here. A challenge is good for one verification by the same tenant, for ten minutes.
#[utoipa::path(operation_id = "create_challenge", tag = "verification", params(warikan_http::IdempotencyKey), request_body = ChallengeRequest, security(("oauth2" = ["verifications"])),
    responses((status = 201, body = ChallengeView), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 409, body = ProblemDocument), (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument), (status = 503, body = ProblemDocument)))]
#[post("/v1/challenges")]
pub(crate) async fn create(
    caller: TenantCaller<needs::Verifications>,
    request: HttpRequest,
    body: Body<ChallengeRequest>,
    verification: Data<Verification>,
) -> Result<HttpResponse, Problem> {
    let inner = &verification.0;
    let sealer = inner.data_keys.sealer(caller.scope).await?;
    let once = Idempotency::of(
        &request,
        "create_challenge",
        Some(caller.scope),
        body.digest(),
        &sealer,
    )?;
    let (row, view) = verification.new_challenge(caller.scope, &body)?;
    let made = row.clone();
    let now = inner.platform.clock().now();
    let entry = Entry {
        scope: caller.scope,
        once,
        accepted_at: now,
        work: Work::Challenge(row, Answer::json(201, &view)),
    };
    let answer = inner.writer.write(entry).await?;
    if !answer.is_replay() {
        inner.challenges_made.keep(caller.scope, made, now);
    }
    Ok(answer.into())
}

//! Credit notes and voiding, as the operator asks for them.

use actix_web::{HttpRequest, HttpResponse, post, web::Data};
use warikan_http::{Body, Idempotency, OperatorCaller, PathId, Problem, ProblemDocument};
use warikan_types::Invoice;

use crate::{
    Billing,
    correct_invoice::{NewCreditNote, Voided, Voiding},
    invoice::{InvoiceId, InvoiceView},
};

const REASON_LIMIT: usize = 200;
/// Lines of one credit note.
const MOST_LINES: usize = 1_000;
/// No invoice has a line beyond, and none such an amount.
const LAST_LINE: u32 = 10_000;
const MOST_YEN: i64 = 1_000_000_000_000;

fn check_reason(reason: &str) -> Result<(), Problem> {
    let shown = !reason.chars().any(char::is_control);
    if shown && (1..=REASON_LIMIT).contains(&reason.trim().chars().count()) {
        return Ok(());
    }
    let detail = format!(
        "1 to {REASON_LIMIT} characters, none of them a control character; the document shows it"
    );
    Err(Problem::field("/reason", "invalid_value", detail))
}

/// Issue a credit note
///
/// A qualified return invoice (適格返還請求書) over parts of an invoice's lines. The invoice itself stays as it is. Several may
/// stand against one invoice, up to its amounts.
#[utoipa::path(tag = "operator", operation_id = "issue_credit_note", request_body = NewCreditNote,
    params(("id" = InvoiceId, Path, description = "The invoice."), warikan_http::IdempotencyKey), security(("oauth2" = ["operator"])),
    responses(
        (status = 201, description = "The credit note stands.", body = InvoiceView),
        (status = 400, description = "A field is not acceptable.", body = ProblemDocument),
        (status = 401, description = "No valid access token.", body = ProblemDocument),
        (status = 403, description = "Not the operator.", body = ProblemDocument),
        (status = 404, description = "No such invoice.", body = ProblemDocument),
        (status = 409, description = "No such line, or more than is left of it; or the Idempotency-Key was used with another body.", body = ProblemDocument),
        (status = 413, description = "The body is too large.", body = ProblemDocument),
        (status = 415, description = "Not JSON.", body = ProblemDocument)))]
#[post("/v1/operator/invoices/{id}/credit-notes")]
pub(crate) async fn credit(
    operator: OperatorCaller,
    id: PathId<Invoice>,
    request: HttpRequest,
    body: Body<NewCreditNote>,
    billing: Data<Billing>,
) -> Result<HttpResponse, Problem> {
    check_reason(&body.reason)?;
    if body.lines.is_empty() {
        return Err(Problem::field(
            "/lines",
            "missing",
            "name at least one line",
        ));
    }
    if body.lines.len() > MOST_LINES {
        let why = format!("at most {MOST_LINES}");
        return Err(Problem::field("/lines", "out_of_range", why));
    }
    for (place, line) in body.lines.iter().enumerate() {
        if !(1..=MOST_YEN).contains(&line.amount.0) {
            let pointer = format!("/lines/{place}/amount");
            let why = format!("yen above zero, at most {MOST_YEN}");
            return Err(Problem::field(pointer, "out_of_range", why));
        }
        if !(1..=LAST_LINE).contains(&line.n) {
            let pointer = format!("/lines/{place}/n");
            let why = format!("1 to {LAST_LINE}");
            return Err(Problem::field(pointer, "out_of_range", why));
        }
    }
    let sealer = billing.0.platform.keys.sealer();
    let operation = format!("credit/{}", id.0);
    let once = Idempotency::of(&request, &operation, None, body.digest(), sealer)?;
    let note = billing.credit(operator.client, id.0, &body, &once);
    Ok(note.await?.into())
}

/// Void an invoice
///
/// Credits all that is left of it, tax included, so that invoice and credit notes together come to nothing; and issues it anew
/// if that is asked for, with the recipient's and the issuer's present names.
#[utoipa::path(tag = "operator", operation_id = "void_invoice", request_body = Voiding,
    params(("id" = InvoiceId, Path, description = "The invoice."), warikan_http::IdempotencyKey), security(("oauth2" = ["operator"])),
    responses(
        (status = 201, description = "The invoice is void.", body = Voided),
        (status = 400, description = "A field is not acceptable.", body = ProblemDocument),
        (status = 401, description = "No valid access token.", body = ProblemDocument),
        (status = 403, description = "Not the operator.", body = ProblemDocument),
        (status = 404, description = "No such invoice.", body = ProblemDocument),
        (status = 409, description = "It is void already; or the Idempotency-Key was used with another body.", body = ProblemDocument),
        (status = 413, description = "The body is too large.", body = ProblemDocument),
        (status = 415, description = "Not JSON.", body = ProblemDocument)))]
#[post("/v1/operator/invoices/{id}/void")]
pub(crate) async fn void(
    operator: OperatorCaller,
    id: PathId<Invoice>,
    request: HttpRequest,
    body: Body<Voiding>,
    billing: Data<Billing>,
) -> Result<HttpResponse, Problem> {
    check_reason(&body.reason)?;
    let sealer = billing.0.platform.keys.sealer();
    let operation = format!("void/{}", id.0);
    let once = Idempotency::of(&request, &operation, None, body.digest(), sealer)?;
    let voided = billing.void(operator.client, id.0, &body, &once);
    Ok(voided.await?.into())
}

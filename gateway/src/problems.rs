//! The catalogue of problems: where each problem's `type` leads. For programs as JSON, for people as a page.

use actix_web::{HttpRequest, HttpResponse, get};
use serde::Serialize;
use utoipa::ToSchema;
use warikan_http::{CATALOGUE, Code, Problem, ProblemDocument, prefers};

/// A kind of problem.
#[derive(Serialize, ToSchema)]
struct ProblemKind {
    /// As problems of this kind carry it.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference")]
    problem_type: String,
    /// Stable word for programs.
    code: &'static str,
    /// The kind in plain words.
    title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// Whether the same request may succeed later.
    retryable: bool,
    /// Why it comes.
    cause: &'static str,
    /// What the caller does about it.
    remedy: &'static str,
}

impl ProblemKind {
    fn of(code: Code) -> Self {
        Self {
            problem_type: format!("{CATALOGUE}{}", code.as_str()),
            code: code.as_str(),
            title: code.title(),
            status: code.status().as_u16(),
            retryable: code.retryable(),
            cause: code.cause(),
            remedy: code.remedy(),
        }
    }

    /// The words are ours and have nothing in them that HTML would read otherwise but quotes and backticks.
    fn page(&self) -> String {
        format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{code}</title>\
             <style>body{{font:1rem/1.6 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem}}</style>\
             <h1>{title}</h1><p><code>{code}</code>, HTTP {status}, {again}</p>\
             <h2>Cause</h2><p>{cause}</p><h2>Remedy</h2><p>{remedy}</p><p><a href=\"/docs/\">Reference</a></p></html>",
            code = self.code,
            title = self.title,
            status = self.status,
            again = if self.retryable {
                "the same request may succeed later"
            } else {
                "repeating it does not help"
            },
            cause = self.cause,
            remedy = self.remedy,
        )
    }
}

/// Every kind of problem.
#[derive(Serialize, ToSchema)]
struct ProblemCatalogue {
    /// In the order of their statuses.
    problems: Vec<ProblemKind>,
}

/// List the kinds of problems
///
/// Every `code` and `type` that an error of this API can have, with cause and remedy.
#[utoipa::path(operation_id = "list_problems", tag = "problems", security(()), responses((status = 200, description = "All of them.", body = ProblemCatalogue)))]
#[get("/problems")]
pub(crate) async fn list() -> HttpResponse {
    HttpResponse::Ok().json(ProblemCatalogue {
        problems: Code::ALL.map(ProblemKind::of).into(),
    })
}

/// Read about a kind of problem
///
/// Where a problem's `type` leads: cause and remedy, as JSON, or as a page for who prefers `text/html`.
#[utoipa::path(operation_id = "read_problem", tag = "problems", security(()), params(("code" = String, Path, description = "The problem's `code`.")),
    responses((status = 200, description = "Cause and remedy.", content((ProblemKind = "application/json"), (String = "text/html"))),
        (status = 404, description = "There is no such kind.", body = ProblemDocument)))]
#[get("/problems/{code}")]
pub(crate) async fn read(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let word = request.match_info().get("code").unwrap_or_default();
    let code = Code::from_word(word).ok_or_else(Problem::not_found)?;
    let kind = ProblemKind::of(code);
    Ok(if prefers(&request, "text/html") {
        HttpResponse::Ok()
            .content_type("text/html; charset=utf-8")
            .insert_header((
                "Content-Security-Policy",
                "default-src 'none'; style-src 'unsafe-inline'",
            ))
            .body(kind.page())
    } else {
        HttpResponse::Ok().json(kind)
    })
}

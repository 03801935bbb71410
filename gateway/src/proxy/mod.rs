//! The edge over services in other processes.
//!
//! A request is matched against the public document first: what is not in it is refused here (404, 405), and so is a secured
//! operation without a valid access token (401), so neither costs a service anything. The rest goes to the one service that has
//! the operation, with the headers of a list and an internal token that says who calls. Bodies stream both ways. What
//! goes wrong on the way is a 503 or 504 that says so, with `Retry-After`: the operation may have been carried out, and
//! the same `Idempotency-Key` finds out.

mod body;
mod headers;
mod table;
mod upstream;

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse, ResponseError,
    web::{Bytes, Data, Payload},
};
use futures_util::{StreamExt, future::BoxFuture};
use warikan_http::{Authentication, Code, Problem};
use warikan_runtime::{
    INTERNAL_TOKEN_HEADER, InternalCall, Peer, Platform, RoutePattern, current_traceparent,
    inner_client, metrics,
};
use warikan_types::Principal;

use crate::fallback::Published;

use self::{
    body::{Cut, Fate, LIMIT},
    upstream::{Refusal, Upstream},
};
pub use table::Remote;
use table::{Found, Table};

/// An answer that says it is no longer than this is read whole: one write to the client instead of three.
const WHOLE: u64 = 64 * 1024;
/// Says in seconds when to try again after an outage; processes restart faster than a person reads this.
const RETRY_AFTER: u64 = 1;

/// How the edge treats the services.
#[derive(Debug, Clone, Copy)]
pub struct ProxySettings {
    /// How long a request may take as a whole, and what services are told as its deadline. Above the longest long poll (20 s).
    pub timeout: Duration,
}

/// The services, as the edge knows them.
pub(crate) struct Proxy {
    table: Table,
    upstreams: Vec<Upstream>,
    http: reqwest::Client,
    platform: Platform,
    settings: ProxySettings,
}

impl Proxy {
    pub(crate) fn new(
        platform: &Platform,
        remotes: &[Remote],
        settings: ProxySettings,
    ) -> Result<Self, reqwest::Error> {
        let upstreams = remotes
            .iter()
            .map(|remote| {
                Peer::new("gateway", remote.name, remote.address.clone(), platform)
                    .map(Upstream::new)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            table: Table::new(remotes),
            upstreams,
            http: inner_client()?,
            platform: platform.clone(),
            settings,
        })
    }

    /// Each service's name, and a question for its readiness.
    pub(crate) fn probes(&self) -> Vec<(&'static str, crate::health::Probe)> {
        self.upstreams
            .iter()
            .map(|upstream| {
                let peer = upstream.peer.clone();
                let probe: crate::health::Probe = Arc::new(move || {
                    let peer = peer.clone();
                    Box::pin(async move { ask_readiness(&peer).await })
                        as BoxFuture<'static, Result<Option<String>, String>>
                });
                (upstream.peer.name(), probe)
            })
            .collect()
    }
}

async fn ask_readiness(peer: &Peer) -> Result<Option<String>, String> {
    let request = peer
        .get("/inner/ready", Duration::from_secs(2))
        .map_err(|error| error.to_string())?;
    let answer = request
        .send()
        .await
        .map_err(|_| "does not answer".to_owned())?;
    let ready = answer.status().is_success();
    let words = answer.text().await.unwrap_or_default();
    let words = (!words.is_empty()).then_some(words);
    if ready {
        Ok(words)
    } else {
        Err(words.unwrap_or_else(|| "is not ready".to_owned()))
    }
}

/// Takes every request that no route of the edge itself takes.
pub(crate) async fn forward(
    request: HttpRequest,
    payload: Payload,
    proxy: Data<Proxy>,
    published: Data<Published>,
) -> HttpResponse {
    let Some(found) = proxy.table.find(request.method(), request.path()) else {
        return crate::fallback::answer(request, published).await;
    };
    match proxy.pass(&request, payload, found).await {
        Ok(response) => response,
        Err(problem) => problem.error_response(),
    }
}

impl Proxy {
    async fn pass(
        &self,
        request: &HttpRequest,
        payload: Payload,
        found: Found,
    ) -> Result<HttpResponse, Problem> {
        let Found {
            pattern,
            service,
            secured,
        } = found;
        request.extensions_mut().insert(RoutePattern(pattern));
        let principal = self.principal(request, secured)?;
        let declared = request
            .headers()
            .get("content-length")
            .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if declared.is_some_and(|octets| octets > LIMIT) {
            return Err(too_large());
        }
        let upstream = &self.upstreams[service];
        let _place = upstream.enter().map_err(|refusal| match refusal {
            Refusal::Full => {
                metrics::upstream_failure(upstream.peer.name(), "full");
                unavailable("has too many requests under way")
            }
            Refusal::Resting => {
                metrics::upstream_failure(upstream.peer.name(), "resting");
                unavailable("is not reachable")
            }
        })?;
        let (outgoing, fate) = self.outgoing(request, payload, upstream, principal, secured)?;
        let sent = tokio::time::timeout(self.settings.timeout, outgoing.send()).await;
        let answer = match sent {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                if error.is_connect() {
                    upstream.not_reached();
                }
                return Err(failed(upstream, &fate, &error));
            }
            Err(_) => {
                metrics::upstream_failure(upstream.peer.name(), "late");
                return Err(overdue(&fate));
            }
        };
        upstream.reached();
        self.answer(answer).await
    }

    fn principal(
        &self,
        request: &HttpRequest,
        secured: bool,
    ) -> Result<Option<Principal>, Problem> {
        let extensions = request.extensions();
        let found = extensions.get::<Authentication>();
        let found = found.unwrap_or(&Authentication::Missing);
        // Whoever shows a token where none is needed is not known by it there, as in one process.
        if secured {
            found.granted().cloned().map(Some)
        } else {
            Ok(None)
        }
    }

    fn outgoing(
        &self,
        request: &HttpRequest,
        payload: Payload,
        upstream: &Upstream,
        principal: Option<Principal>,
        secured: bool,
    ) -> Result<(reqwest::RequestBuilder, Fate), Problem> {
        let now = self.platform.clock().now();
        let call = InternalCall {
            from: "gateway".to_owned(),
            to: upstream.peer.name().to_owned(),
            principal,
            request_id: warikan_http::current_request_id().unwrap_or_default(),
            deadline: now.plus(self.settings.timeout),
        };
        let token = call
            .sign(&self.platform.keys, now)
            .map_err(|error| Problem::internal(&error))?;
        // As it came, not as it was understood: the service's router decodes by the same rules.
        let target = request.uri().path_and_query().map_or("/", |it| it.as_str());
        let method = reqwest::Method::from_bytes(request.method().as_str().as_bytes())
            .map_err(|error| Problem::internal(&error))?;
        let url = format!("{}{target}", upstream.peer.base());
        let trace = current_traceparent().unwrap_or_else(|| {
            headers::traceparent(request.headers(), self.platform.entropy.bytes())
        });
        let outgoing = self
            .http
            .request(method, url)
            .headers(headers::inbound(request.headers(), !secured))
            .header(INTERNAL_TOKEN_HEADER, token)
            .header("x-request-id", call.request_id)
            .header("traceparent", trace);
        let has_body = request.headers().contains_key("transfer-encoding")
            || request
                .headers()
                .get("content-length")
                .is_some_and(|it| it != "0");
        if !has_body {
            return Ok((outgoing, Fate::default()));
        }
        let (body, fate) = body::pass_on(payload);
        Ok((outgoing.body(body), fate))
    }

    async fn answer(&self, answer: reqwest::Response) -> Result<HttpResponse, Problem> {
        let status = actix_web::http::StatusCode::from_u16(answer.status().as_u16())
            .unwrap_or(actix_web::http::StatusCode::BAD_GATEWAY);
        let mut response = HttpResponse::build(status);
        if matches!(status.as_u16(), 408 | 413) {
            // The rest of the body would have to be read to be thrown away.
            response.force_close();
        }
        for (name, value) in headers::outbound(answer.headers()) {
            response.append_header((name, value));
        }
        match answer.content_length() {
            Some(length) if length <= WHOLE => {
                let reading = tokio::time::timeout(self.settings.timeout, answer.bytes());
                match reading.await {
                    Ok(Ok(octets)) => Ok(response.body(octets)),
                    Ok(Err(_)) => Err(unavailable("broke off its answer")),
                    Err(_) => Err(overdue(&Fate::default())),
                }
            }
            length => {
                let stream = answer
                    .bytes_stream()
                    .map(|chunk| chunk.map_err(actix_web::error::ErrorBadGateway));
                Ok(match length {
                    Some(length) => response.no_chunking(length).streaming(stream),
                    None => response.streaming::<_, actix_web::Error>(
                        stream.map(|chunk: Result<Bytes, _>| chunk),
                    ),
                })
            }
        }
    }
}

fn too_large() -> Problem {
    Problem::new(
        Code::BodyTooLarge,
        format!("No operation takes a body of more than {LIMIT} octets."),
    )
}

fn unavailable(why: &str) -> Problem {
    Problem::new(
        Code::Unavailable,
        format!("The service behind this operation {why}. Repeat the request, with the same Idempotency-Key where it has one."),
    )
    .retry_after(RETRY_AFTER)
}

fn overdue(fate: &Fate) -> Problem {
    cut(fate).unwrap_or_else(|| {
        Problem::new(
            Code::DeadlineExceeded,
            "The service behind this operation did not answer in time. Repeat the request, with the same Idempotency-Key where it has one.",
        )
        .retry_after(RETRY_AFTER)
    })
}

fn cut(fate: &Fate) -> Option<Problem> {
    match fate.cut()? {
        Cut::Slow => Some(Problem::new(
            Code::RequestTimeout,
            "The body did not arrive in time.",
        )),
        Cut::TooLarge => Some(too_large()),
        Cut::Broken => Some(Problem::new(
            Code::RequestTimeout,
            "The body did not arrive whole.",
        )),
    }
}

fn failed(upstream: &Upstream, fate: &Fate, error: &reqwest::Error) -> Problem {
    if let Some(problem) = cut(fate) {
        return problem;
    }
    let reason = if error.is_connect() {
        "refused"
    } else {
        "broken"
    };
    metrics::upstream_failure(upstream.peer.name(), reason);
    tracing::warn!(
        request_id = warikan_http::current_request_id(),
        service = upstream.peer.name(),
        error = %error.without_url_text(),
        "service not reached"
    );
    unavailable(if error.is_connect() {
        "is not reachable"
    } else {
        "broke off"
    })
}

/// An error in words that hold no address of a client's making.
trait WithoutUrl {
    fn without_url_text(&self) -> String;
}

impl WithoutUrl for reqwest::Error {
    fn without_url_text(&self) -> String {
        let mut words = String::new();
        let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(self);
        while let Some(one) = cause {
            if !words.is_empty() {
                words.push_str(": ");
            }
            words.push_str(&one.to_string());
            cause = one.source();
        }
        words
    }
}

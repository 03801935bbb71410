//! The edge over services in other processes.
//!
//! A request is matched against the public document first: what is not in it is refused here (404, 405), and so is a secured
//! operation without a valid access token (401), so neither costs a service anything. The rest goes to the one service that has
//! the operation, to its replicas in turn, with the headers of a list and an internal token that says who calls. Bodies stream both ways. What
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
use futures_util::{
    StreamExt,
    future::{BoxFuture, join_all},
};
use tokio::time::Instant;
use warikan_http::{Authentication, Code, Problem};
use warikan_runtime::{
    INTERNAL_TOKEN_HEADER, InternalCall, Peer, Platform, RoutePattern, current_traceparent,
    inner_client, metrics,
};
use warikan_types::{Principal, Timestamp};

use crate::fallback::Published;

use self::{
    body::{Cut, Fate, LIMIT, Outgoing},
    upstream::{Refusal, Replica, Upstream},
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
        let upstream = |remote: &Remote| {
            let peer = |address: &String| {
                Peer::new("gateway", remote.name, vec![address.clone()], platform)
            };
            let peers = remote
                .addresses
                .iter()
                .map(peer)
                .collect::<Result<_, _>>()?;
            Ok::<_, reqwest::Error>(Upstream::new(remote.name, peers))
        };
        let upstreams = remotes.iter().map(upstream).collect::<Result<_, _>>()?;
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
                let replicas = upstream.replicas.iter();
                let peers: Vec<Peer> = replicas.map(|one| one.peer.clone()).collect();
                let probe: crate::health::Probe = Arc::new(move || {
                    let peers = peers.clone();
                    Box::pin(async move { readiness(&peers).await })
                        as BoxFuture<'static, Result<Option<String>, String>>
                });
                (upstream.name(), probe)
            })
            .collect()
    }
}

/// A service is ready where one of its replicas is; of the others an operator is told.
async fn readiness(peers: &[Peer]) -> Result<Option<String>, String> {
    let answers = join_all(peers.iter().map(ask_readiness)).await;
    if let [only] = answers.as_slice() {
        return only.clone();
    }
    let count = answers.len();
    let (ready, not): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    let trouble = not.into_iter().find_map(Result::err);
    let of_all = trouble.map(|why| format!("{} of {count} replicas ready; one {why}", ready.len()));
    match ready.into_iter().flatten().next() {
        None => Err(of_all.unwrap_or_default()),
        Some(note) => Ok(of_all.or(note)),
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
        // The client asked for it to be done once however often it is sent, or it changes nothing; nor does a second token.
        let repeatable = request.method().is_safe()
            || request.headers().contains_key("idempotency-key")
            || pattern == "/oauth/token";
        request.extensions_mut().insert(RoutePattern(pattern));
        let principal = self.principal(request, secured)?;
        let declared = request
            .headers()
            .get("content-length")
            .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if declared.is_some_and(|octets| octets > LIMIT) {
            return Err(too_large());
        }
        let asked = Asked {
            upstream: &self.upstreams[service],
            principal,
            secured,
            repeatable,
            until: Instant::now() + self.settings.timeout,
            deadline: self.platform.clock().now().plus(self.settings.timeout),
            body: has_body(request).then(|| Outgoing::of(payload)),
        };
        asked.upstream.budget.earn();
        self.ask(request, &asked).await
    }

    /// Asks one replica after the other, until one answers. A request that did not reach a replica goes to the next; one that broke off
    /// there goes on only if it may be repeated, and not as often as that would make trouble worse.
    async fn ask(&self, request: &HttpRequest, asked: &Asked<'_>) -> Result<HttpResponse, Problem> {
        let upstream = asked.upstream;
        let mut last = None;
        for replica in upstream.in_turn() {
            let _place = match replica.enter() {
                Ok(place) => place,
                Err(refusal) => {
                    last.get_or_insert_with(|| refused(upstream, refusal));
                    continue;
                }
            };
            let Some(outgoing) = self.outgoing(request, asked, replica)? else {
                break;
            };
            let error = match tokio::time::timeout_at(asked.until, outgoing.send()).await {
                Ok(Ok(answer)) => {
                    replica.reached();
                    return self.answer(answer, asked.until).await;
                }
                Ok(Err(error)) => error,
                Err(_) => {
                    metrics::upstream_failure(upstream.name(), "late");
                    return Err(overdue(&asked.fate()));
                }
            };
            if error.is_connect() {
                replica.not_reached();
            }
            last = Some(failed(upstream, &asked.fate(), &error));
            let goes_on = asked.fate().cut().is_none()
                && (error.is_connect() || (asked.repeatable && upstream.budget.spend()));
            if !goes_on {
                break;
            }
        }
        Err(last.unwrap_or_else(|| unavailable("is not reachable")))
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

    /// The request for one replica; nothing where its body can no longer be sent.
    fn outgoing(
        &self,
        request: &HttpRequest,
        asked: &Asked<'_>,
        replica: &Replica,
    ) -> Result<Option<reqwest::RequestBuilder>, Problem> {
        let call = InternalCall {
            from: "gateway".to_owned(),
            to: asked.upstream.name().to_owned(),
            principal: asked.principal.clone(),
            request_id: warikan_http::current_request_id().unwrap_or_default(),
            deadline: asked.deadline,
        };
        let token = call
            .sign(&self.platform.keys, self.platform.clock().now())
            .map_err(|error| Problem::internal(&error))?;
        // As it came, not as it was understood: the service's router decodes by the same rules.
        let target = request.uri().path_and_query().map_or("/", |it| it.as_str());
        let method = reqwest::Method::from_bytes(request.method().as_str().as_bytes())
            .map_err(|error| Problem::internal(&error))?;
        let url = format!("{}{target}", replica.peer.base());
        let trace = current_traceparent().unwrap_or_else(|| {
            headers::traceparent(request.headers(), self.platform.entropy.bytes())
        });
        let outgoing = self
            .http
            .request(method, url)
            .headers(headers::inbound(request.headers(), !asked.secured))
            .header(INTERNAL_TOKEN_HEADER, token)
            .header("x-request-id", call.request_id)
            .header("traceparent", trace);
        Ok(match &asked.body {
            None => Some(outgoing),
            Some(body) => body.body().map(|body| outgoing.body(body)),
        })
    }

    async fn answer(
        &self,
        answer: reqwest::Response,
        until: Instant,
    ) -> Result<HttpResponse, Problem> {
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
                let reading = tokio::time::timeout_at(until, answer.bytes());
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

/// One request on its way to a service.
struct Asked<'a> {
    upstream: &'a Upstream,
    principal: Option<Principal>,
    secured: bool,
    repeatable: bool,
    /// When nobody waits any more, by this process's clock and by everybody's.
    until: Instant,
    deadline: Timestamp,
    body: Option<Outgoing>,
}

impl Asked<'_> {
    fn fate(&self) -> Fate {
        self.body.as_ref().map(Outgoing::fate).unwrap_or_default()
    }
}

fn has_body(request: &HttpRequest) -> bool {
    let length = request.headers().get("content-length");
    request.headers().contains_key("transfer-encoding") || length.is_some_and(|it| it != "0")
}

fn refused(upstream: &Upstream, refusal: Refusal) -> Problem {
    let (reason, why) = match refusal {
        Refusal::Full => ("full", "has too many requests under way"),
        Refusal::Resting => ("resting", "is not reachable"),
    };
    metrics::upstream_failure(upstream.name(), reason);
    unavailable(why)
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
    metrics::upstream_failure(upstream.name(), reason);
    tracing::warn!(
        request_id = warikan_http::current_request_id(),
        service = upstream.name(),
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

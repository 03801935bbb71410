//! The edge over services in other processes.
//!
//! A request is matched against the public document first: what is not in it is refused here (404, 405), and so is a secured
//! operation without a valid access token (401), so neither costs a service anything. The rest goes to the one service that has
//! the operation, to its replicas in turn, with the headers of a list and an internal token that says who calls. Bodies stream both ways. What
//! goes wrong on the way is a 503 or 504 that says so, with `Retry-After`: the operation may have been carried out, and
//! the same `Idempotency-Key` finds out.

mod body;
mod headers;
mod problems;
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
use warikan_http::{Authentication, KEPT_HEADER, ORIGIN_HEADER, Origin, Problem};
use warikan_runtime::{
    INTERNAL_TOKEN_HEADER, InternalCall, Peer, Platform, RedisServer, RoutePattern,
    current_traceparent, inner_client, metrics,
};
use warikan_types::{Principal, Timestamp};

use crate::{
    clock::NOT_BEGUN,
    fallback::Published,
    recall::{self, Place, Recall},
};

use self::{
    body::{Fate, KEPT, LIMIT, Outgoing},
    problems::{cut, failed, overdue, refused, too_large, unavailable},
    upstream::{Replica, Upstream},
};
pub use table::Remote;
use table::{Found, Table};

/// An answer that says it is no longer than this is read whole: one write to the client instead of three.
const WHOLE: u64 = 64 * 1024;

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
    recall: Option<Recall>,
}

impl Proxy {
    pub(crate) fn new(
        platform: &Platform,
        remotes: &[Remote],
        settings: ProxySettings,
        redis: Option<RedisServer>,
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
            recall: redis.map(|redis| {
                let sealer = platform.keys.sealer().clone();
                Recall::new(redis, sealer, platform.clock().clone())
            }),
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
        let mut asked = Asked {
            upstream: &self.upstreams[service],
            principal,
            secured,
            repeatable,
            until: Instant::now() + self.settings.timeout,
            deadline: self.platform.clock().now().plus(self.settings.timeout),
            body: has_body(request).then(|| Outgoing::of(payload)),
            place: None,
        };
        if declared.is_some_and(|octets| octets <= KEPT as u64) {
            asked.place = self.place(request, &asked).await?;
        }
        if let (Some(recall), Some(place)) = (&self.recall, &asked.place)
            && let Some(answer) = recall.answer(place).await
        {
            return Ok(answer.into());
        }
        asked.upstream.budget.earn();
        self.ask(request, &asked).await
    }

    /// What names the request, where its answer may be known already.
    async fn place(
        &self,
        request: &HttpRequest,
        asked: &Asked<'_>,
    ) -> Result<Option<Place>, Problem> {
        let (Some(_), Some(principal), Some(body)) = (&self.recall, &asked.principal, &asked.body)
        else {
            return Ok(None);
        };
        if request.method().is_safe() || !request.headers().contains_key("idempotency-key") {
            return Ok(None);
        }
        let Some(octets) = body.whole(asked.until).await else {
            return match cut(&body.fate()) {
                Some(problem) => Err(problem),
                None => Ok(None),
            };
        };
        let asked = recall::Asked {
            principal,
            method: request.method().as_str(),
            target: request.uri().path_and_query().map_or("/", |it| it.as_str()),
            headers: request.headers(),
            body: &octets,
        };
        Ok(asked.place())
    }

    /// Keeps a copy of an answer that its service has kept, beside the answering.
    fn keep(&self, place: Option<&Place>, kept: bool, status: u16, octets: &Bytes) {
        if let (Some(recall), Some(place), true) = (&self.recall, place, kept) {
            let (recall, place, octets) = (recall.clone(), place.clone(), octets.clone());
            actix_web::rt::spawn(async move { recall.keep(&place, status, &octets).await });
        }
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
                Ok(Ok(answer)) if answer.headers().contains_key(NOT_BEGUN) => {
                    replica.not_reached();
                    metrics::upstream_failure(upstream.name(), "unfit");
                    last = Some(unavailable("cannot work at present"));
                    continue;
                }
                Ok(Ok(answer)) => {
                    replica.reached();
                    return self.answer(answer, asked).await;
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
            .header(ORIGIN_HEADER, Origin::of(request).to_header())
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
        asked: &Asked<'_>,
    ) -> Result<HttpResponse, Problem> {
        let kept = answer.headers().contains_key(KEPT_HEADER);
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
                let reading = tokio::time::timeout_at(asked.until, answer.bytes());
                match reading.await {
                    Ok(Ok(octets)) => {
                        self.keep(asked.place.as_ref(), kept, status.as_u16(), &octets);
                        Ok(response.body(octets))
                    }
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
    /// Where its answer may lie in Redis.
    place: Option<Place>,
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

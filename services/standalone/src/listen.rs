//! `warikan listen`: a developer's machine gets the tenant's events without being reachable from anywhere.
//!
//! It reads the event feed (long poll, from now on or from a place) and posts each event to a local URL as the platform would:
//! the same message, the same headers, signed. The signing secret is this command's own and shown at the start, because an
//! endpoint's secret is shown once and not to be had again. An event that the local program does not accept is shown with the
//! status and not sent again: who repairs the program starts again with `--after`.

use std::{io::Write, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Client, StatusCode, header::CONTENT_TYPE, redirect::Policy};
use serde::Deserialize;
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use warikan_types::{Clock, Entropy};

/// Seconds a request for events waits for one.
const WAIT: u64 = 20;
/// How long the platform may take to answer, with the wait.
const API_TIMEOUT: Duration = Duration::from_secs(40);
/// How long the local program may take; the platform's own deliveries allow 15 s by default.
const LOCAL_TIMEOUT: Duration = Duration::from_secs(15);
/// Before a failed request to the platform is repeated.
const PAUSE: Duration = Duration::from_secs(2);

/// What `warikan listen` is told.
#[derive(clap::Args)]
pub struct ListenOptions {
    /// Where to post the events, for instance `http://localhost:3000/webhooks`.
    #[arg(long)]
    forward_to: String,
    /// The platform.
    #[arg(long, env = "WARIKAN_API", default_value = "http://127.0.0.1:8787")]
    api: String,
    /// A credential with the scope `events`.
    #[arg(long, env = "WARIKAN_CLIENT_ID")]
    client_id: String,
    /// Its secret. Better given in the environment than on the command line.
    #[arg(long, env = "WARIKAN_CLIENT_SECRET", hide_env_values = true)]
    client_secret: String,
    /// Only these types, separated by commas.
    #[arg(long)]
    types: Option<String>,
    /// Begin after this event or sequence number; 0 for all that is kept. Without it: what happens from now on.
    #[arg(long)]
    after: Option<String>,
    /// Sign with this secret (`whsec_..`) instead of a new one.
    #[arg(long, env = "WARIKAN_LISTEN_SECRET", hide_env_values = true)]
    secret: Option<String>,
    /// Stop after so many events.
    #[arg(long)]
    count: Option<u64>,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
}

#[derive(Deserialize)]
struct Feed {
    data: Vec<Value>,
    next_cursor: String,
}

/// A run of the command.
struct Listener {
    options: ListenOptions,
    client: Client,
    webhook: Webhook,
    clock: Clock,
    token: String,
}

/// Forwards events until `--count` is reached, or for ever.
///
/// # Errors
/// The credential is refused, the platform refuses the request (a bad type, a place that is no longer kept), or the output is
/// closed. A platform that cannot be reached for a time is waited for.
pub async fn run(
    options: ListenOptions,
    clock: Clock,
    entropy: &Entropy,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let secret = options
        .secret
        .clone()
        .unwrap_or_else(|| format!("whsec_{}", STANDARD.encode(entropy.bytes::<32>())));
    let webhook = Webhook::new(&secret)
        .map_err(|error| anyhow::anyhow!("the secret is not `whsec_` and base64: {error}"))?;
    let client = Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        // The server closes what was idle for five seconds; a request sent at that moment gets no answer.
        .pool_idle_timeout(std::time::Duration::from_secs(2))
        .build()?;
    let mut listener = Listener {
        client,
        webhook,
        clock,
        token: String::new(),
        options,
    };
    listener.sign_in().await?;
    let mut cursor = listener.beginning().await?;
    writeln!(out, "forwarding to {}", listener.options.forward_to)?;
    writeln!(out, "signing with  {secret}")?;
    writeln!(out, "after         {cursor}")?;
    let mut left = listener.options.count;
    while left != Some(0) {
        let feed = listener
            .read(&cursor, WAIT, left.unwrap_or(50).min(50))
            .await?;
        for event in &feed.data {
            let answer = listener.forward(event).await?;
            let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
            writeln!(
                out,
                "{} {} {} -> {answer}",
                event["sequence"],
                text("id"),
                text("type")
            )?;
            left = left.map(|left| left.saturating_sub(1));
        }
        cursor = feed.next_cursor;
    }
    Ok(())
}

impl Listener {
    async fn sign_in(&mut self) -> anyhow::Result<()> {
        let response = self
            .client
            .post(format!("{}/oauth/token", self.options.api))
            .basic_auth(&self.options.client_id, Some(&self.options.client_secret))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials&scope=events")
            .timeout(API_TIMEOUT)
            .send()
            .await?;
        let status = response.status();
        if !status.is_success() {
            anyhow::bail!(
                "the platform gives no token ({status}): {}",
                response.text().await?
            );
        }
        self.token = response.json::<Token>().await?.access_token;
        Ok(())
    }

    /// The place to begin at: as told, or the feed's present end.
    async fn beginning(&mut self) -> anyhow::Result<String> {
        if let Some(after) = &self.options.after {
            return Ok(after.clone());
        }
        let mut cursor = "0".to_owned();
        loop {
            let feed = self.read(&cursor, 0, 500).await?;
            if feed.next_cursor == cursor {
                return Ok(cursor);
            }
            cursor = feed.next_cursor;
        }
    }

    /// Reads a part of the feed. What may pass (no connection, 429, 5xx) is waited for; a token that has run out is renewed.
    async fn read(&mut self, after: &str, wait: u64, limit: u64) -> anyhow::Result<Feed> {
        let mut renewed = false;
        loop {
            let mut query = vec![
                ("after", after.to_owned()),
                ("wait_seconds", wait.to_string()),
                ("limit", limit.to_string()),
            ];
            query.extend(self.options.types.clone().map(|types| ("types", types)));
            let mut url = reqwest::Url::parse(&format!("{}/v1/events", self.options.api))?;
            url.query_pairs_mut().extend_pairs(query);
            let request = self.client.get(url).bearer_auth(&self.token);
            let response = match request.timeout(API_TIMEOUT).send().await {
                Ok(response) => response,
                Err(error) => {
                    tracing::warn!(%error, "the platform does not answer; trying again");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let status = response.status();
            if status.is_success() {
                return Ok(response.json().await?);
            }
            if status == StatusCode::UNAUTHORIZED && !renewed {
                renewed = true;
                self.sign_in().await?;
            } else if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
                tracing::warn!(%status, "the platform is busy; trying again");
                tokio::time::sleep(PAUSE).await;
            } else {
                anyhow::bail!(
                    "the platform refuses ({status}): {}",
                    response.text().await?
                );
            }
        }
    }

    /// Posts one event as an endpoint would get it. Gives the status, or why there is none.
    async fn forward(&self, event: &Value) -> anyhow::Result<String> {
        let message = json!({
            "id": event["id"],
            "type": event["type"],
            "version": event["version"],
            "sequence": event["sequence"],
            "timestamp": event["occurred_at"],
            "data": event["data"],
        });
        let body = serde_json::to_vec(&message)?;
        let id = event["id"].as_str().unwrap_or_default();
        let at = self.clock.now().unix();
        let signature = self
            .webhook
            .sign(id, at, &body)
            .map_err(|error| anyhow::anyhow!("cannot sign: {error}"))?;
        let sent = self
            .client
            .post(&self.options.forward_to)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", at.to_string())
            .header("webhook-signature", signature)
            .body(body)
            .timeout(LOCAL_TIMEOUT)
            .send()
            .await;
        Ok(match sent {
            Ok(response) => response.status().as_u16().to_string(),
            Err(error) if error.is_timeout() => "no answer in time".to_owned(),
            Err(error) if error.is_connect() => "no connection".to_owned(),
            Err(error) => error.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::TcpListener,
        sync::{Arc, Mutex},
    };

    use actix_web::{
        App, HttpRequest, HttpResponse, HttpServer,
        web::{self, Bytes, Data},
    };

    use super::*;

    /// The platform's side: tokens, of which the first has run out, and a feed of five events.
    #[derive(Default)]
    struct Platform {
        tokens: usize,
        queries: Vec<String>,
    }

    fn serve(
        app: fn(&mut web::ServiceConfig, Data<Mutex<Platform>>),
        state: &Arc<Mutex<Platform>>,
    ) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let state = Data::from(Arc::clone(state));
        let server = HttpServer::new(move || {
            let state = state.clone();
            App::new().configure(move |config| app(config, state))
        });
        tokio::spawn(
            server
                .workers(1)
                .disable_signals()
                .listen(listener)
                .unwrap()
                .run(),
        );
        base
    }

    async fn token(
        request: HttpRequest,
        body: Bytes,
        state: Data<Mutex<Platform>>,
    ) -> HttpResponse {
        let authorization = request
            .headers()
            .get("authorization")
            .unwrap()
            .to_str()
            .unwrap();
        let expected = format!("Basic {}", STANDARD.encode("cli_1:s3cret"));
        let form = b"grant_type=client_credentials&scope=events";
        if authorization != expected || body[..] != form[..] {
            return HttpResponse::Unauthorized().body("invalid_client");
        }
        let mut state = state.lock().unwrap();
        state.tokens += 1;
        HttpResponse::Ok().json(json!({ "access_token": format!("t{}", state.tokens) }))
    }

    async fn events(request: HttpRequest, state: Data<Mutex<Platform>>) -> HttpResponse {
        if request.headers().get("authorization").unwrap() != "Bearer t2" {
            return HttpResponse::Unauthorized().finish();
        }
        let query = request.query_string().to_owned();
        state.lock().unwrap().queries.push(query.clone());
        let query: Vec<(String, String)> = reqwest::Url::parse(&format!("http://x/?{query}"))
            .unwrap()
            .query_pairs()
            .into_owned()
            .collect();
        let read = |name: &str| {
            query
                .iter()
                .find(|(one, _)| one == name)
                .unwrap()
                .1
                .parse::<usize>()
                .unwrap()
        };
        let (after, limit) = (read("after"), read("limit"));
        if after > 5 {
            return HttpResponse::BadRequest().body("invalid_cursor");
        }
        let data: Vec<Value> = (after + 1..=5)
            .take(limit)
            .map(|number| {
                json!({ "id": format!("evt_{number}"), "type": "invoice.finalized", "version": 1,
                    "sequence": number, "occurred_at": "2026-11-21T00:00:00Z", "data": { "n": number } })
            })
            .collect();
        let next = after + data.len();
        HttpResponse::Ok()
            .json(json!({ "data": data, "next_cursor": next.to_string(), "has_more": next < 5 }))
    }

    async fn local(
        request: HttpRequest,
        body: Bytes,
        state: Data<Mutex<Platform>>,
    ) -> HttpResponse {
        let header = |name: &str| {
            request
                .headers()
                .get(name)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        };
        let webhook = Webhook::new(SECRET).unwrap();
        let signed = webhook.sign(
            &header("webhook-id"),
            header("webhook-timestamp").parse().unwrap(),
            &body,
        );
        assert_eq!(signed.unwrap(), header("webhook-signature"));
        let message: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(message["timestamp"], "2026-11-21T00:00:00Z");
        state.lock().unwrap().queries.push(header("webhook-id"));
        if message["sequence"] == 4 {
            return HttpResponse::InternalServerError().finish();
        }
        HttpResponse::NoContent().finish()
    }

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn routes(config: &mut web::ServiceConfig, state: Data<Mutex<Platform>>) {
        config
            .app_data(state)
            .route("/oauth/token", web::post().to(token))
            .route("/v1/events", web::get().to(events))
            .route("/hook", web::post().to(local));
    }

    fn options(api: &str, forward_to: String, after: Option<&str>, secret: &str) -> ListenOptions {
        ListenOptions {
            forward_to,
            api: api.to_owned(),
            client_id: "cli_1".to_owned(),
            client_secret: secret.to_owned(),
            types: Some("invoice.finalized".to_owned()),
            after: after.map(str::to_owned),
            secret: Some(SECRET.to_owned()),
            count: Some(3),
        }
    }

    async fn listen(options: ListenOptions) -> anyhow::Result<String> {
        let mut out = Vec::new();
        run(options, Clock::system(), &Entropy::seeded(1), &mut out).await?;
        Ok(String::from_utf8(out)?)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn events_are_forwarded_signed_in_order_and_each_answer_is_shown() {
        let (platform, receiver) = <(Arc<Mutex<Platform>>, Arc<Mutex<Platform>>)>::default();
        let (api, hook) = (serve(routes, &platform), serve(routes, &receiver));
        let out = listen(options(&api, format!("{hook}/hook"), Some("2"), "s3cret"))
            .await
            .unwrap();
        let lines: Vec<&str> = out.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "after         2",
                "3 evt_3 invoice.finalized -> 204",
                "4 evt_4 invoice.finalized -> 500",
                "5 evt_5 invoice.finalized -> 204",
            ]
        );
        assert!(out.contains(SECRET));
        assert_eq!(
            receiver.lock().unwrap().queries,
            ["evt_3", "evt_4", "evt_5"]
        );
        let platform = platform.lock().unwrap();
        assert_eq!(platform.tokens, 2, "the token that had run out was renewed");
        assert!(platform.queries[0].contains("types=invoice.finalized"));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_local_program_that_is_not_there_is_shown_and_refusals_end_it() {
        let platform = Arc::default();
        let api = serve(routes, &platform);
        let nowhere = "http://127.0.0.1:9/hook".to_owned();
        let out = listen(options(&api, nowhere.clone(), Some("2"), "s3cret"))
            .await
            .unwrap();
        assert_eq!(out.matches("-> no connection").count(), 3);
        let refused = listen(options(&api, nowhere.clone(), Some("2"), "wrong")).await;
        assert!(refused.unwrap_err().to_string().contains("no token"));
        platform.lock().unwrap().tokens = 0;
        let refused = listen(options(&api, nowhere, Some("9"), "s3cret")).await;
        assert!(refused.unwrap_err().to_string().contains("refuses"));
    }
}

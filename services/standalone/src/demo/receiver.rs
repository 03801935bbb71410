//! The firm's webhook receiver: fails twice, then works, and verifies every signature with the library that Standard
//! Webhooks publishes.

use std::{
    net::TcpListener,
    sync::{Arc, Mutex, PoisonError},
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    dev::ServerHandle,
    web::{self, Bytes, Data},
};
use standardwebhooks::Webhook;

/// One request that came in.
#[derive(Clone)]
pub(super) struct Arrival {
    pub(super) id: String,
    pub(super) timestamp: i64,
    pub(super) answered: u16,
    pub(super) body: serde_json::Value,
    pub(super) signature_good: bool,
}

#[derive(Default)]
struct State {
    secret: Option<String>,
    failures_left: u32,
    arrivals: Vec<Arrival>,
}

/// The receiver, on a free loopback port.
pub(super) struct Receiver {
    pub(super) url: String,
    state: Arc<Mutex<State>>,
    server: ServerHandle,
}

impl Receiver {
    pub(super) fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}/hooks/warikan", listener.local_addr()?);
        let state = Arc::new(Mutex::new(State::default()));
        let data = Data::from(Arc::clone(&state));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .default_service(web::to(receive))
        })
        .workers(1)
        .disable_signals()
        .listen(listener)?
        .run();
        let handle = server.handle();
        tokio::spawn(server);
        Ok(Self {
            url,
            state,
            server: handle,
        })
    }

    /// Tells the secret that the firm was shown once, and how often to fail first.
    pub(super) fn expect(&self, secret: &str, failures: u32) {
        let mut state = self.lock();
        state.secret = Some(secret.to_owned());
        state.failures_left = failures;
    }

    pub(super) fn arrivals(&self) -> Vec<Arrival> {
        self.lock().arrivals.clone()
    }

    pub(super) async fn stop(&self) {
        self.server.stop(false).await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn receive(request: HttpRequest, body: Bytes, state: Data<Mutex<State>>) -> HttpResponse {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let header = |name: &str| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    // The library would also judge the timestamp, by the machine's clock; the story's clock is ahead of it.
    let timestamp = header("webhook-timestamp").parse().unwrap_or_default();
    let signature_good = state
        .secret
        .as_deref()
        .and_then(|secret| Webhook::new(secret).ok())
        .and_then(|webhook| webhook.sign(&header("webhook-id"), timestamp, &body).ok())
        .is_some_and(|ours| {
            header("webhook-signature")
                .split(' ')
                .any(|theirs| theirs == ours)
        });
    let answered = if state.failures_left > 0 { 500 } else { 204 };
    state.failures_left = state.failures_left.saturating_sub(1);
    state.arrivals.push(Arrival {
        id: header("webhook-id"),
        timestamp,
        answered,
        body: serde_json::from_slice(&body).unwrap_or_default(),
        signature_good,
    });
    if answered == 204 {
        HttpResponse::NoContent().finish()
    } else {
        HttpResponse::InternalServerError().finish()
    }
}

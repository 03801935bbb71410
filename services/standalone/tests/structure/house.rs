//! The house as it is really composed, served on a free port, with a clock that stands and tasks that run when told.

use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use actix_web::dev::ServerHandle;
use reqwest::{Client, Method};
use serde_json::Value;
use tempfile::TempDir;
use warikan::{
    compose::{self, House},
    config::Config,
};
use warikan_runtime::{AccessToken, Clocks};
use warikan_testkit::{App, Reply};
use warikan_types::{ClientScope, Clock, Principal, TenantScope, Timestamp};

/// Late in the evening of a month's last day in Japan, so that three hours later the month can be closed.
const START: &str = "2026-11-30T12:30:00Z";

/// Who asks. Tokens are made for each request: they live five minutes, and the clock is moved.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) tenant: Option<TenantScope>,
    pub(crate) scopes: Vec<ClientScope>,
}

impl Caller {
    pub(crate) fn tenant(tenant: TenantScope, scopes: &[ClientScope]) -> Self {
        Self {
            tenant: Some(tenant),
            scopes: scopes.to_vec(),
        }
    }

    pub(crate) fn operator() -> Self {
        Self {
            tenant: None,
            scopes: vec![ClientScope::Operator],
        }
    }
}

/// A house that serves. Its tasks run only when [`Served::run`] says so.
pub(crate) struct Served {
    house: House,
    base: String,
    client: Client,
    server: ServerHandle,
    _directory: TempDir,
}

/// A request with a body: a text is sent as a table, all else as JSON.
fn with(request: reqwest::RequestBuilder, body: Option<&Value>) -> reqwest::RequestBuilder {
    match body {
        Some(Value::String(text)) => request
            .header("Content-Type", "text/csv")
            .body(text.clone()),
        Some(body) => request.json(body),
        None => request,
    }
}

impl Served {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().unwrap();
        let house = open(&directory, address).await;
        house.platform.bus.connect(
            house
                .modules
                .iter()
                .flat_map(|module| module.consumers.iter().cloned())
                .collect(),
        );
        let server = house.gateway().serve(listener).expect("the edge starts");
        let handle = server.handle();
        tokio::spawn(server);
        Self {
            house,
            base: format!("http://{address}"),
            client: Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap(),
            server: handle,
            _directory: directory,
        }
    }

    /// What it says it serves.
    pub(crate) fn document(&self) -> Value {
        self.house.gateway().document()
    }

    pub(crate) async fn anyone(&self, method: &Method, path: &str, body: Option<&Value>) -> Reply {
        let request = self
            .client
            .request(method.clone(), format!("{}{path}", self.base));
        App::read(with(request, body)).await
    }

    /// A request with an `Authorization` header as it stands.
    pub(crate) async fn bearing(
        &self,
        token: &str,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Reply {
        let request = self
            .client
            .request(method.clone(), format!("{}{path}", self.base))
            .bearer_auth(token);
        App::read(with(request, body)).await
    }

    pub(crate) async fn by(
        &self,
        caller: &Caller,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Reply {
        self.bearing(&self.token(caller), method, path, body).await
    }

    /// A `GET` with headers of the caller's making.
    pub(crate) async fn claiming(
        &self,
        caller: &Caller,
        path: &str,
        headers: &[(&str, String)],
    ) -> Reply {
        let request = self.client.get(format!("{}{path}", self.base));
        let request = request.bearer_auth(self.token(caller));
        let with = |request: reqwest::RequestBuilder, (name, value): &(&str, String)| {
            request.header(*name, value)
        };
        App::read(headers.iter().fold(request, with)).await
    }

    /// A request whose body says that it is encoded.
    pub(crate) async fn encoded(
        &self,
        caller: Option<&Caller>,
        method: &Method,
        path: &str,
        media_type: &str,
        encoding: &str,
        body: &'static [u8],
    ) -> Reply {
        let url = format!("{}{path}", self.base);
        let mut request = self.client.request(method.clone(), url).body(body);
        request = request.header("Content-Type", media_type);
        if let Some(caller) = caller {
            request = request.bearer_auth(self.token(caller));
        }
        App::read(request.header("Content-Encoding", encoding)).await
    }

    /// JSON under an Idempotency-Key.
    pub(crate) async fn keyed(
        &self,
        caller: &Caller,
        method: &Method,
        path: &str,
        key: &str,
        body: &str,
    ) -> Reply {
        let request = self
            .client
            .request(method.clone(), format!("{}{path}", self.base))
            .bearer_auth(self.token(caller))
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", key)
            .body(body.to_owned());
        App::read(request).await
    }

    /// A request as it stands, whatever it is.
    pub(crate) async fn raw(
        &self,
        caller: Option<&Caller>,
        method: &Method,
        path: &str,
        body: Option<(&str, Vec<u8>)>,
    ) -> Reply {
        let mut request = self
            .client
            .request(method.clone(), format!("{}{path}", self.base));
        if let Some(caller) = caller {
            request = request.bearer_auth(self.token(caller));
        }
        if let Some((media_type, octets)) = body {
            request = request.header("Content-Type", media_type).body(octets);
        }
        App::read(request).await
    }

    fn token(&self, caller: &Caller) -> String {
        let platform = &self.house.platform;
        let principal = Principal {
            client: platform.entropy.id(platform.clock().now()),
            tenant: caller.tenant,
            scopes: caller.scopes.iter().copied().collect(),
        };
        AccessToken::issue(
            &principal,
            &platform.keys,
            platform.clock(),
            &platform.entropy,
        )
        .expect("a token is signed")
    }

    /// Runs one task once.
    pub(crate) async fn run(&self, name: &str) {
        let task = self
            .house
            .modules
            .iter()
            .flat_map(|module| &module.tasks)
            .find(|task| task.name() == name)
            .unwrap_or_else(|| panic!("there is no task {name}"));
        if let Err(error) = task.run_once().await {
            panic!("{name} failed: {error}");
        }
    }

    /// Lets facts travel, and the facts that follow from them.
    pub(crate) async fn settle(&self) {
        for _ in 0..3 {
            for module in &self.house.modules {
                self.run(&format!("{}.relay", module.name)).await;
            }
        }
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.house.platform.clock().advance(by).unwrap();
    }

    pub(crate) async fn stop(self) {
        self.server.stop(false).await;
    }
}

/// Opens the house, as `warikan serve` does.
pub(crate) async fn open(directory: &TempDir, own_address: SocketAddr) -> House {
    let mut config = Config {
        data_dir: directory.path().to_owned(),
        workers: 1,
        ..Config::default()
    };
    // Endpoints are created here, and nothing is ever sent to them.
    config.webhooks.allow_loopback_http = true;
    let start: Timestamp = START.parse().unwrap();
    let clock = Clock::manual(start);
    let clocks = Clocks {
        production: clock.clone(),
        sandbox: clock,
    };
    compose::open(&config, clocks, own_address)
        .await
        .expect("the house opens")
}

//! Services behind the real edge, on a free port.

use std::net::TcpListener;

use actix_web::dev::ServerHandle;
use ipnet::IpNet;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::Value;
use warikan_gateway::Gateway;
use warikan_runtime::{Module, Platform};

/// A running application. Its tasks run only when [`App::run`] or [`App::settle`] says so.
pub struct App {
    /// `http://127.0.0.1:<port>`
    pub base: String,
    modules: Vec<Module>,
    client: Client,
    handle: ServerHandle,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: reqwest::header::HeaderMap,
    /// The body as JSON; `Null` where it is none.
    pub json: Value,
    /// The body as it came.
    pub body: Vec<u8>,
}

impl App {
    /// Connects the bus and serves the modules behind the gateway.
    ///
    /// # Panics
    /// Where no port can be bound.
    pub async fn serve(platform: &Platform, modules: Vec<Module>) -> Self {
        Self::serve_behind(platform, modules, Vec::new()).await
    }

    /// The same, behind proxies in these networks.
    ///
    /// # Panics
    /// Where no port can be bound.
    pub async fn serve_behind(
        platform: &Platform,
        modules: Vec<Module>,
        proxies: Vec<IpNet>,
    ) -> Self {
        platform.bus.connect(
            modules
                .iter()
                .flat_map(|module| module.consumers.iter().cloned())
                .collect(),
        );
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let server = Gateway::new(platform.clone(), modules.clone(), 1)
            .with_trusted_proxies(proxies)
            .serve(listener)
            .expect("the server starts");
        let handle = server.handle();
        tokio::spawn(server);
        let client = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            // The server closes what was idle for five seconds; a request sent at that moment gets no answer.
            .pool_idle_timeout(std::time::Duration::from_secs(2))
            .build()
            .expect("an HTTP client");
        Self {
            base,
            modules,
            client,
            handle,
        }
    }

    /// Starts a request.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// `GET` with a token.
    pub async fn get(&self, path: &str, token: &str) -> Reply {
        Self::read(self.request(Method::GET, path).bearer_auth(token)).await
    }

    /// `POST` JSON with a token.
    pub async fn post(&self, path: &str, token: &str, body: &Value) -> Reply {
        Self::read(
            self.request(Method::POST, path)
                .bearer_auth(token)
                .json(body),
        )
        .await
    }

    /// `DELETE` with a token.
    pub async fn delete(&self, path: &str, token: &str) -> Reply {
        Self::read(self.request(Method::DELETE, path).bearer_auth(token)).await
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Panics
    /// Where no answer comes.
    pub async fn read(request: RequestBuilder) -> Reply {
        let response = request.send().await.expect("an answer");
        let status = response.status();
        let headers = response.headers().clone();
        let body = response.bytes().await.expect("a whole body").to_vec();
        Reply {
            status,
            headers,
            json: serde_json::from_slice(&body).unwrap_or(Value::Null),
            body,
        }
    }

    /// Runs one task once, by its name.
    ///
    /// # Panics
    /// Where there is no such task, or it fails.
    pub async fn run(&self, task: &str) {
        let task = self
            .modules
            .iter()
            .flat_map(|module| &module.tasks)
            .find(|one| one.name() == task)
            .unwrap_or_else(|| panic!("there is no task {task}"));
        task.run_once()
            .await
            .unwrap_or_else(|error| panic!("{} failed: {error}", task.name()));
    }

    /// Lets every fact travel: runs all relays (tasks named `<service>.relay`) often enough for facts that follow
    /// from facts.
    pub async fn settle(&self) {
        for _ in 0..3 {
            for module in &self.modules {
                for task in &module.tasks {
                    if task.name().ends_with(".relay") {
                        self.run(task.name()).await;
                    }
                }
            }
        }
    }

    /// Stops the server.
    pub async fn stop(self) {
        self.handle.stop(false).await;
    }
}

impl Reply {
    /// Asserts the status and gives the JSON.
    ///
    /// # Panics
    /// On another status, with the body.
    #[track_caller]
    pub fn expect(&self, status: u16) -> &Value {
        assert_eq!(
            self.status.as_u16(),
            status,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        &self.json
    }

    /// Asserts a problem document of this status and code.
    ///
    /// # Panics
    /// On any other answer.
    #[track_caller]
    pub fn expect_problem(&self, status: u16, code: &str) -> &Value {
        let json = self.expect(status);
        assert_eq!(json["code"], code, "{json}");
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert!(json["request_id"].as_str().is_some_and(|id| !id.is_empty()));
        json
    }
}

//! Redis, this process's own listener, and the services that a gateway passes requests to.

use std::{net::TcpListener, time::Duration};

use tokio::{net::TcpStream, time::timeout};

use super::Report;
use crate::{
    compose::{Role, remotes},
    config::Config,
};

const PATIENCE: Duration = Duration::from_secs(2);

impl Report {
    pub(super) async fn redis(&mut self, config: &Config) {
        let server = match config.redis.server() {
            Ok(Some(server)) => server,
            Ok(None) => {
                return self.good(
                    "redis",
                    "none is configured: each process counts requests for itself",
                );
            }
            Err(error) => {
                return self.wrong(
                    "redis",
                    error.to_string(),
                    "give [redis] a url of the form redis://[user:password@]host:port[/db], and for rediss:// the authorities in ca_file",
                );
            }
        };
        if server.answers().await {
            self.good("redis", "answers");
        } else {
            self.wrong(
                "redis",
                "does not answer at redis.url: limits are counted by each process for itself, and every repeated request goes to its service",
                "see that it runs and lets this process in; no answer depends on it, only what answers cost",
            );
        }
    }

    /// Either the port is free, or a server answers on it: then its readiness tells the rest.
    pub(super) async fn server(&mut self, config: &Config, role: Role) {
        let listen = role.listen(config);
        if TcpListener::bind(&listen).is_ok() {
            return self.good("port", format!("{listen} is free"));
        }
        // An inner listener tells strangers nothing; its operator's listener does.
        let url = match (role, &config.ops.listen) {
            (_, Some(ops)) => format!("http://{}/readyz", reachable(ops)),
            (Role::All | Role::Gateway, None) => {
                format!("http://{}/health/ready", reachable(&listen))
            }
            (_, None) => {
                return self.note(
                    "server",
                    format!("something holds {listen}"),
                    "set ops.listen, and this asks the process whether it is ready",
                );
            }
        };
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(PATIENCE * 2)
            .build();
        let answer = match client {
            Ok(client) => client.get(&url).send().await,
            Err(error) => {
                return self.wrong(
                    "server",
                    error.to_string(),
                    "see to this machine's TLS roots",
                );
            }
        };
        match answer {
            Ok(answer) if answer.status().is_success() => {
                self.good("server", format!("answers at {url}: ready"));
            }
            Ok(answer) => {
                let status = answer.status();
                let body = answer.text().await.unwrap_or_default();
                let body = body.trim();
                self.wrong(
                    "server",
                    format!("{url} answers {status}: {body}"),
                    "mend what it names",
                );
            }
            Err(error) => self.wrong(
                "server",
                format!(
                    "something holds {listen} but does not answer: {}",
                    error.without_url()
                ),
                "see what process that is, and end it or listen elsewhere",
            ),
        }
    }

    pub(super) async fn services(&mut self, config: &Config) {
        for remote in remotes(config) {
            let about = format!("service {}", remote.name);
            for address in &remote.addresses {
                self.service(&about, address.trim_start_matches("http://"))
                    .await;
            }
        }
    }

    async fn service(&mut self, about: &str, address: &str) {
        match timeout(PATIENCE, TcpStream::connect(address)).await {
            Ok(Ok(_)) => self.good(about, format!("listens at {address}")),
            Ok(Err(error)) => self.wrong(about, format!("{address}: {error}"), ELSEWHERE),
            Err(_) => self.wrong(
                about,
                format!("{address}: no connection within {PATIENCE:?}"),
                ELSEWHERE,
            ),
        }
    }
}

const ELSEWHERE: &str =
    "start it, or mend its address in [topology]; its requests are answered 503 meanwhile";

/// A listener on every address is asked on this machine's own.
fn reachable(listen: &str) -> String {
    listen.replace("0.0.0.0:", "127.0.0.1:")
}

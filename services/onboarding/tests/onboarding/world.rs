//! Onboarding behind the edge.

use serde_json::{Value, json};
use warikan_onboarding::{Config, Onboarding};
use warikan_testkit::{App, Reply, TestHouse};

pub(crate) struct World {
    pub(crate) house: TestHouse,
    pub(crate) app: App,
    pub(crate) onboarding: Onboarding,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let house = TestHouse::new();
        let file = house.directory().join("operator-credential.json");
        let onboarding = Onboarding::open(config, file, &house.platform)
            .await
            .unwrap();
        let app = App::serve(&house.platform, vec![onboarding.module()]).await;
        Self {
            house,
            app,
            onboarding,
        }
    }

    /// The clients whose tokens the edge is told to refuse.
    pub(crate) async fn denied(&self) -> Vec<Value> {
        let denied = self.onboarding.denied_tokens().await.unwrap();
        denied.revoked.iter().map(|client| json!(client)).collect()
    }

    pub(crate) fn first_credential(&self) -> Value {
        let path = self.house.directory().join("operator-credential.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    pub(crate) async fn token(&self, id: &Value, secret: &Value, more: &[(&str, &str)]) -> Reply {
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(more);
        let body: Vec<String> = form
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let request = self
            .app
            .request(reqwest::Method::POST, "/oauth/token")
            .basic_auth(id.as_str().unwrap(), secret.as_str())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.join("&"));
        App::read(request).await
    }

    pub(crate) async fn tenant(&self, operator: &str) -> String {
        let reply = self
            .app
            .post(
                "/v1/operator/tenants",
                operator,
                &json!({ "name": "割勘証券株式会社" }),
            )
            .await;
        reply.expect(201)["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn credential(
        &self,
        operator: &str,
        tenant: &str,
        environment: &str,
    ) -> Reply {
        let path = format!("/v1/operator/tenants/{tenant}/credentials");
        self.app
            .post(&path, operator, &json!({ "environment": environment }))
            .await
    }

    pub(crate) async fn go_live(&self, operator: &str, tenant: &str) {
        for item in [
            "delegation_contract",
            "disqualification_check",
            "filing",
            "agreement",
        ] {
            let path = format!("/v1/operator/tenants/{tenant}/checklist");
            let body =
                json!({ "item": item, "evidence": format!("doc/{item}"), "date": "2026-11-01" });
            self.app.post(&path, operator, &body).await.expect(200);
        }
        for state in ["contracted", "notified", "active"] {
            self.to(operator, tenant, state).await.expect(200);
        }
    }

    pub(crate) async fn to(&self, operator: &str, tenant: &str, state: &str) -> Reply {
        let path = format!("/v1/operator/tenants/{tenant}/state");
        self.app
            .post(&path, operator, &json!({ "to": state }))
            .await
    }
}

/// Other processes over the same data.
impl World {
    async fn opened(&self, public_url: &str) -> Onboarding {
        let config = Config {
            public_url: Some(public_url.to_owned().try_into().unwrap()),
            ..Config::default()
        };
        let file = self.house.directory().join("operator-credential.json");
        Onboarding::open(config, file, &self.house.platform)
            .await
            .unwrap()
    }

    /// A replica, known to clients by the same name.
    pub(crate) async fn replica(&self) -> App {
        let onboarding = self.opened(&self.app.base).await;
        App::serve(&self.house.platform, vec![onboarding.module()]).await
    }

    /// One with a name of its own.
    pub(crate) async fn named(&self, public_url: &str) -> App {
        let onboarding = self.opened(public_url).await;
        App::serve(&self.house.platform, vec![onboarding.module()]).await
    }

    /// One behind a proxy that it trusts: this machine.
    pub(crate) async fn behind_a_proxy(&self) -> App {
        let onboarding = self.opened(&self.app.base).await;
        let networks = vec!["127.0.0.0/8".parse().unwrap()];
        App::serve_behind(&self.house.platform, vec![onboarding.module()], networks).await
    }
}

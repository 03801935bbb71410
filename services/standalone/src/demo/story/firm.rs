//! Steps about firms: going live, and being alone.

use anyhow::{bail, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Lines, Story};
use crate::demo::client::{array, text};

impl Story<'_> {
    /// Application, contract, filing, agreement, activation, credential; where nobody moves production's clock, one of the sandbox
    /// too, which is the one that is used.
    async fn go_live(&self, name: &str) -> anyhow::Result<Value> {
        let operator = self.operator().await?;
        let operator = Some(operator.as_str());
        let tenant = self
            .platform
            .post("/v1/operator/tenants", operator, &json!({ "name": name }))
            .await?;
        let base = format!("/v1/operator/tenants/{}", text(&tenant, "/id")?);
        let early = json!({ "environment": "production" });
        let (status, _) = self
            .platform
            .send(
                Method::POST,
                &format!("{base}/credentials"),
                operator,
                None,
                Some(&early),
            )
            .await?;
        ensure!(
            status == 403,
            "a production credential before going live was answered {status}"
        );
        for item in [
            "delegation_contract",
            "disqualification_check",
            "filing",
            "agreement",
        ] {
            let entry = json!({ "item": item, "evidence": format!("{name}/{item}.pdf") });
            self.platform
                .post(&format!("{base}/checklist"), operator, &entry)
                .await?;
        }
        for state in ["contracted", "notified", "active"] {
            self.platform
                .post(&format!("{base}/state"), operator, &json!({ "to": state }))
                .await?;
        }
        let credentials = format!("{base}/credentials");
        let live = self.platform.post(&credentials, operator, &early).await?;
        if !self.setting.is_sandbox() {
            return Ok(live);
        }
        let sandbox = json!({ "environment": "sandbox" });
        self.platform.post(&credentials, operator, &sandbox).await
    }

    /// Registers the receiver, if the platform delivers to this machine.
    async fn register_receiver(&mut self) -> anyhow::Result<String> {
        let token = self.firm_token().await?;
        let (path, url) = ("/v1/webhook-endpoints", &self.setting.receiver.url);
        let wish = json!({ "url": url, "types": ["certificate.revoked"] });
        let (status, endpoint) = self
            .platform
            .send(Method::POST, path, Some(&token), None, Some(&wish))
            .await?;
        match status {
            201 => {}
            400 if self.setting.is_sandbox() => {
                return Ok(format!(
                    "the platform does not deliver to this machine (webhooks.allow_loopback_http_in_sandbox): no endpoint at {url}"
                ));
            }
            _ => bail!("POST {path} answered {status}: {endpoint}"),
        }
        let failures = self.setting.failures();
        self.setting
            .receiver
            .expect(text(&endpoint, "/secret")?, failures);
        text(&endpoint, "/id")?.clone_into(&mut self.endpoint);
        Ok(format!(
            "its webhook endpoint is {} (secret shown once)",
            self.endpoint
        ))
    }

    pub(in crate::demo) async fn onboard_firm(&mut self) -> Lines {
        self.firm = self.go_live("割勘証券株式会社").await?;
        let endpoint = self.register_receiver().await?;
        let environment = if self.setting.is_sandbox() {
            "; here it works in its sandbox"
        } else {
            ""
        };
        Ok(vec![
            "asked for a production credential before the checklist stood: 403".to_owned(),
            "recorded: delegation contract, disqualification check, filing at J-LIS, agreement"
                .to_owned(),
            format!(
                "割勘証券株式会社 is active and has credential {}{environment}",
                text(&self.firm, "/client_id")?
            ),
            endpoint,
        ])
    }

    pub(in crate::demo) async fn second_firm(&mut self) -> Lines {
        let other = self.go_live("隣町銀行株式会社").await?;
        let own_token = self.platform.token(&other).await?;
        let token = Some(own_token.as_str());
        let mut tried = 0;
        let mut paths = vec![
            format!("/v1/verifications/{}", text(&self.verified, "/id")?),
            format!("/v1/subjects/{}", text(&self.verified, "/subject/id")?),
            format!("/v1/watches/{}", self.watch_ids[0]),
            format!(
                "/v1/certificates/{}/statuses",
                text(&self.verified, "/certificate/handle")?
            ),
        ];
        if !self.endpoint.is_empty() {
            paths.push(format!("/v1/webhook-endpoints/{}", self.endpoint));
            paths.push(format!(
                "/v1/webhook-endpoints/{}/deliveries",
                self.endpoint
            ));
        }
        for path in &paths {
            let (status, body) = self
                .platform
                .send(Method::GET, path, token, None, None)
                .await?;
            ensure!(
                status == 404,
                "GET {path} by the second firm: {status} {body}"
            );
            tried += 1;
        }
        for list in [
            "verifications",
            "subjects",
            "watches",
            "events",
            "webhook-endpoints",
            "invoices",
        ] {
            let page = self.platform.get(&format!("/v1/{list}"), token).await?;
            ensure!(
                array(&page, "/data")?.is_empty(),
                "{list} of the second firm: {page}"
            );
            tried += 1;
        }
        let mut request = self.application.clone();
        request["watch"] = json!(false);
        let (_, same_card) = self
            .verify(&own_token, Some("application-0001"), &request)
            .await?;
        let (mine, theirs) = (
            &self.verified["certificate"]["handle"],
            &same_card["certificate"]["handle"],
        );
        ensure!(
            theirs.is_string() && mine != theirs,
            "the handles can be linked: {mine} {theirs}"
        );
        Ok(vec![
            format!("隣町銀行株式会社 tried {tried} paths and lists: 404 or empty"),
            "the same citizen's certificate has another handle there, and the same Idempotency-Key is its own".to_owned(),
        ])
    }
}

//! The steps. Each asks over HTTP, checks what came back, and reports it in plain words.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::Method;
use serde_json::{Value, json};
use warikan_types::BillingMonth;

use super::{
    client::{Client, array, text},
    stage::Stage,
};

const CITIZEN: &str = "黒桐　幹也";
const FIRST_ADDRESS: &str = "東京都清瀬市観布子南１２－７－２０２";
const NEW_ADDRESS: &str = "東京都清瀬市観布子北３－１－５";
const WATCHED: usize = 1_000;
/// What a step reports.
type Lines = anyhow::Result<Vec<String>>;

/// Who is in the story, and what they know.
pub(super) struct Story<'a> {
    stage: &'a Stage,
    platform: Client,
    jlis: Client,
    firm: Value,
    person: String,
    /// The signed application, ready to be verified.
    application: Value,
    /// The answer to its verification.
    verified: Value,
    watch_ids: Vec<String>,
    endpoint: String,
}

impl<'a> Story<'a> {
    pub(super) fn new(stage: &'a Stage) -> Self {
        let client = |address| {
            Client::new(format!("http://{address}"))
                .expect("a client without TLS settings is always made")
        };
        Self {
            stage,
            platform: client(stage.platform),
            jlis: client(stage.jlis),
            firm: Value::Null,
            person: String::new(),
            application: Value::Null,
            verified: Value::Null,
            watch_ids: Vec::new(),
            endpoint: String::new(),
        }
    }

    async fn operator(&self) -> anyhow::Result<String> {
        let file = std::fs::read(&self.stage.credential)?;
        self.platform.token(&serde_json::from_slice(&file)?).await
    }

    async fn firm_token(&self) -> anyhow::Result<String> {
        self.platform.token(&self.firm).await
    }

    /// Application, contract, filing, agreement, activation, credential.
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
        self.platform
            .post(&format!("{base}/credentials"), operator, &early)
            .await
    }

    pub(super) async fn onboard_firm(&mut self) -> Lines {
        self.firm = self.go_live("割勘証券株式会社").await?;
        let token = self.firm_token().await?;
        let endpoint = json!({ "url": self.stage.receiver.url, "types": ["certificate.revoked"] });
        let endpoint = self
            .platform
            .post("/v1/webhook-endpoints", Some(&token), &endpoint)
            .await?;
        self.stage.receiver.expect(text(&endpoint, "/secret")?, 2);
        text(&endpoint, "/id")?.clone_into(&mut self.endpoint);
        Ok(vec![
            "asked for a production credential before the checklist stood: 403".to_owned(),
            "recorded: delegation contract, disqualification check, filing at J-LIS, agreement"
                .to_owned(),
            format!(
                "割勘証券株式会社 is active and has credential {}",
                text(&self.firm, "/client_id")?
            ),
            format!(
                "its webhook endpoint is {} (secret shown once)",
                self.endpoint
            ),
        ])
    }

    pub(super) async fn citizen_signs(&mut self) -> Lines {
        let person = json!({ "name": CITIZEN, "address": FIRST_ADDRESS, "birth_date": "1980-02-17", "sex": "male" });
        let person = self.jlis.post("/sandbox/persons", None, &person).await?;
        text(&person, "/id")?.clone_into(&mut self.person);
        let document =
            STANDARD.encode("証券総合口座開設申込書　2026年11月21日　割勘証券株式会社 御中");
        let signed = self
            .jlis
            .post(
                &format!("/sandbox/persons/{}/sign", self.person),
                None,
                &json!({ "certificate": "signature", "message": document }),
            )
            .await?;
        self.application = json!({
            "certificate": signed["certificate"],
            "signature": signed["signature"],
            "signed": signed["signed"],
        });
        Ok(vec![
            format!("{CITIZEN} has a card with a signature and an authentication certificate"),
            "the card signed the application inside itself: RSA-2048, SHA-256, PKCS#1 v1.5"
                .to_owned(),
        ])
    }

    pub(super) async fn firm_verifies(&mut self) -> Lines {
        self.lists_are_there().await?;
        let token = self.firm_token().await?;
        let mut request = self.application.clone();
        request["subject_ref"] = json!("C-0001");
        request["watch"] = json!(true);
        request["max_age"] = json!("PT24H");
        self.application = request;
        let (status, answer) = self
            .verify(&token, Some("application-0001"), &self.application)
            .await?;
        ensure!(
            status == 201 && answer["verdict"] == "valid",
            "verdict: {answer}"
        );
        ensure!(answer["attributes"]["name"] == CITIZEN, "name: {answer}");
        ensure!(
            answer["attributes"]["address"] == FIRST_ADDRESS,
            "address: {answer}"
        );
        ensure!(
            answer["attributes"]["birth_date"]["date"] == "1980-02-17",
            "birth date: {answer}"
        );
        self.watch_ids.push(text(&answer, "/watch/id")?.to_owned());
        let checks = array(&answer, "/checks")?;
        let passed = checks
            .iter()
            .filter(|check| check["result"] == "passed")
            .count();
        let lines = vec![
            format!(
                "POST /v1/verifications: valid, {passed} checks passed, {}",
                text(&answer, "/id")?
            ),
            format!(
                "status good by the list of {} ({} s old)",
                text(&answer, "/status/this_update")?,
                answer["status"]["age_seconds"]
            ),
            format!("name {CITIZEN}, address {FIRST_ADDRESS}, born 1980-02-17"),
            "the attributes are told this once; the firm keeps a signed receipt".to_owned(),
        ];
        self.verified = answer;
        Ok(lines)
    }

    /// The platform has fetched the lists once it says that it is ready.
    async fn lists_are_there(&self) -> anyhow::Result<()> {
        wait(
            "the platform to have fetched the revocation lists",
            async || {
                let (status, _) = self
                    .platform
                    .send(Method::GET, "/health/ready", None, None, None)
                    .await?;
                Ok((status == 200).then_some(()))
            },
        )
        .await
    }

    async fn verify(
        &self,
        token: &str,
        key: Option<&str>,
        body: &Value,
    ) -> anyhow::Result<(u16, Value)> {
        self.platform
            .send(
                Method::POST,
                "/v1/verifications",
                Some(token),
                key,
                Some(body),
            )
            .await
    }

    pub(super) async fn tampered_copy(&mut self) -> Lines {
        let token = self.firm_token().await?;
        let mut copy = self.application.clone();
        copy["signed"]["message"] = json!(STANDARD.encode("証券総合口座開設申込書　別の口座へ"));
        let (status, answer) = self.verify(&token, None, &copy).await?;
        ensure!(
            status == 201,
            "a certificate that is not good is an answer, not an error: {answer}"
        );
        ensure!(answer["reason"] == "signature_mismatch", "reason: {answer}");
        ensure!(
            answer["watch"].is_null(),
            "nothing is watched on its account: {answer}"
        );
        Ok(vec![
            "one other sentence in the document: invalid, signature_mismatch".to_owned(),
        ])
    }

    pub(super) async fn replay(&mut self) -> Lines {
        let token = self.firm_token().await?;
        let (status, again) = self
            .verify(&token, Some("application-0001"), &self.application)
            .await?;
        ensure!(
            status == 201 && again == self.verified,
            "the replay differs: {again}"
        );
        let month = BillingMonth::of(self.now().await?);
        let usage = wait("usage to be metered", async || {
            let usage = self
                .platform
                .get(&format!("/v1/usage?period={month}"), Some(&token))
                .await?;
            let seen = quantity(&usage, "verification", false);
            Ok((seen >= 2).then_some(usage))
        })
        .await?;
        let billable = quantity(&usage, "verification", true);
        ensure!(
            billable == 1,
            "one valid verification is billable, not {billable}: {usage}"
        );
        Ok(vec![
            format!(
                "same Idempotency-Key: the whole first answer again, {}",
                text(&again, "/id")?
            ),
            "usage so far: 1 billable verification (the refused copy is recorded and free)"
                .to_owned(),
        ])
    }

    pub(super) async fn watch_a_thousand(&mut self) -> Lines {
        let others = WATCHED - self.watch_ids.len();
        let population = self
            .jlis
            .post("/sandbox/populations", None, &json!({ "size": others }))
            .await?;
        let token = Arc::new(self.firm_token().await?);
        let certificates: Vec<Value> = array(&population, "/persons")?
            .iter()
            .map(|person| person["certificate"].clone())
            .collect();
        let mut senders = tokio::task::JoinSet::new();
        // Eight at a time, as a firm's migration job would.
        for (lane, part) in certificates.chunks(others.div_ceil(8)).enumerate() {
            let (client, token, part) = (self.platform.clone(), Arc::clone(&token), part.to_vec());
            senders.spawn(async move {
                let mut ids = Vec::with_capacity(part.len());
                for (number, certificate) in part.iter().enumerate() {
                    let body =
                        json!({ "certificate": certificate, "ref": format!("C-{lane}-{number}") });
                    let watch = client.post("/v1/watches", Some(&token), &body).await?;
                    ids.push(text(&watch, "/id")?.to_owned());
                }
                anyhow::Ok(ids)
            });
        }
        while let Some(ids) = senders.join_next().await {
            self.watch_ids.extend(ids??);
        }
        ensure!(
            self.watch_ids.len() == WATCHED,
            "{} watches",
            self.watch_ids.len()
        );
        Ok(vec![
            format!("{others} more citizens' certificates handed over: POST /v1/watches each"),
            format!(
                "{WATCHED} certificates are watched, by issuer key and serial that the firm never sees"
            ),
        ])
    }

    pub(super) async fn citizen_moves(&mut self) -> Lines {
        let events = format!("/sandbox/persons/{}/events", self.person);
        let moved = self
            .jlis
            .post(
                &events,
                None,
                &json!({ "event": "move", "address": NEW_ADDRESS }),
            )
            .await?;
        ensure!(
            moved["revoked"][0]["reason"] == "affiliation_changed",
            "the move revoked: {moved}"
        );
        let now = self
            .jlis
            .post("/sandbox/clock", None, &json!({ "advance": "P1D" }))
            .await?;
        self.jlis
            .post("/sandbox/publish-crl", None, &json!({}))
            .await?;
        Ok(vec![
            format!(
                "{CITIZEN} now lives at {NEW_ADDRESS}; the old signature certificate is revoked (affiliationChanged)"
            ),
            format!(
                "a day later, {}, J-LIS publishes the day's lists",
                text(&now, "/now")?
            ),
        ])
    }

    pub(super) async fn exactly_one_is_flagged(&mut self) -> Lines {
        let token = self.firm_token().await?;
        let event = wait(
            "the revocation to reach the firm's event feed",
            async || {
                let events = self
                    .platform
                    .get("/v1/events?types=certificate.revoked", Some(&token))
                    .await?;
                Ok(array(&events, "/data")?.first().cloned())
            },
        )
        .await?;
        let flagged = self
            .platform
            .get("/v1/watches?state=flagged", Some(&token))
            .await?;
        let flagged = array(&flagged, "/data")?;
        ensure!(
            flagged.len() == 1,
            "{} customers are flagged",
            flagged.len()
        );
        ensure!(flagged[0]["ref"] == "C-0001", "flagged: {}", flagged[0]);
        ensure!(
            event["data"]["watch_id"] == flagged[0]["id"],
            "event and watch disagree: {event}"
        );
        let mut request = self.application.clone();
        request["watch"] = json!(false);
        let (_, again) = self.verify(&token, None, &request).await?;
        ensure!(
            again["reason"] == "certificate_revoked",
            "verified again: {again}"
        );
        Ok(vec![
            format!(
                "of {WATCHED} watched customers exactly one: C-0001, {}",
                text(&flagged[0], "/flag/reason")?
            ),
            format!(
                "what to do: {}",
                text(&flagged[0], "/flag/recommended_action")?
            ),
            "the same signature presented again: invalid, certificate_revoked".to_owned(),
        ])
    }

    pub(super) async fn webhook_arrives(&mut self) -> Lines {
        self.attempts(1).await?;
        self.advance("PT6S").await?;
        self.attempts(2).await?;
        self.advance("PT5M1S").await?;
        self.attempts(3).await?;
        let arrivals = self.stage.receiver.arrivals();
        let answers: Vec<u16> = arrivals.iter().map(|one| one.answered).collect();
        ensure!(answers == [500, 500, 204], "answers: {answers:?}");
        ensure!(
            arrivals.iter().all(|one| one.signature_good),
            "a signature did not verify"
        );
        ensure!(
            arrivals
                .iter()
                .all(|one| one.id == arrivals[0].id && one.body == arrivals[0].body),
            "attempts differ"
        );
        ensure!(
            arrivals.is_sorted_by(|a, b| a.timestamp < b.timestamp),
            "timestamps are not fresh"
        );
        let text_of = arrivals[0].body.to_string();
        ensure!(
            !text_of.contains(CITIZEN) && !text_of.contains("清瀬"),
            "personal data in a webhook: {text_of}"
        );
        let token = self.firm_token().await?;
        let path = format!("/v1/webhook-endpoints/{}/deliveries", self.endpoint);
        let delivered = wait("the delivery to be recorded", async || {
            let list = self.platform.get(&path, Some(&token)).await?;
            Ok(array(&list, "/data")?
                .iter()
                .find(|one| one["state"] == "delivered")
                .cloned())
        })
        .await?;
        Ok(vec![
            "answered 500, 500 and 204: at once, after 5 s, after 5 min (the clock was moved)"
                .to_owned(),
            format!(
                "one id on all three ({}), fresh timestamps, signatures verified by the standardwebhooks library",
                arrivals[0].id
            ),
            format!("recorded as delivered: {}", text(&delivered, "/id")?),
        ])
    }

    async fn attempts(&self, count: usize) -> anyhow::Result<()> {
        wait("the webhook's next attempt", async || {
            Ok((self.stage.receiver.arrivals().len() >= count).then_some(()))
        })
        .await
    }

    async fn advance(&self, by: &str) -> anyhow::Result<()> {
        self.jlis
            .post("/sandbox/clock", None, &json!({ "advance": by }))
            .await?;
        Ok(())
    }

    async fn now(&self) -> anyhow::Result<warikan_types::Timestamp> {
        let clock = self.jlis.get("/sandbox/clock", None).await?;
        Ok(text(&clock, "/now")?.parse()?)
    }

    pub(super) async fn second_firm(&mut self) -> Lines {
        let other = self.go_live("隣町銀行株式会社").await?;
        let token = self.platform.token(&other).await?;
        let token = Some(token.as_str());
        let mut tried = 0;
        let paths = [
            format!("/v1/verifications/{}", text(&self.verified, "/id")?),
            format!("/v1/subjects/{}", text(&self.verified, "/subject/id")?),
            format!("/v1/watches/{}", self.watch_ids[0]),
            format!(
                "/v1/certificates/{}/statuses",
                text(&self.verified, "/certificate/handle")?
            ),
            format!("/v1/webhook-endpoints/{}", self.endpoint),
            format!("/v1/webhook-endpoints/{}/deliveries", self.endpoint),
        ];
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
            .verify(
                token.unwrap_or_default(),
                Some("application-0001"),
                &request,
            )
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

    pub(super) async fn month_closes(&mut self) -> Lines {
        let now = self.now().await?;
        let month = BillingMonth::of(now);
        let operator = self.operator().await?;
        let close = format!("/v1/operator/months/{month}/close");
        let (early, _) = self
            .platform
            .send(
                Method::POST,
                &close,
                Some(&operator),
                None,
                Some(&json!({})),
            )
            .await?;
        ensure!(
            early == 409,
            "closing {month} before its end was answered {early}"
        );
        let rest = month.end().since(now).as_secs() + 3600;
        self.advance(&format!("PT{rest}S")).await?;
        let operator = self.operator().await?;
        self.platform
            .post(&close, Some(&operator), &json!({}))
            .await?;
        let token = self.firm_token().await?;
        let list = self.platform.get("/v1/invoices", Some(&token)).await?;
        let [summary] = array(&list, "/data")?.as_slice() else {
            bail!("invoices: {list}")
        };
        let invoice = self
            .platform
            .get(
                &format!("/v1/invoices/{}", text(summary, "/id")?),
                Some(&token),
            )
            .await?;
        let lines = array(&invoice, "/lines")?;
        let yen = |value: &Value| value.as_i64().context("an amount is an integer");
        let sum = lines
            .iter()
            .map(|line| yen(&line["amount"]))
            .sum::<anyhow::Result<i64>>()?;
        let (subtotal, tax, total) = (
            yen(&invoice["subtotal"])?,
            yen(&invoice["tax"])?,
            yen(&invoice["total"])?,
        );
        ensure!(
            sum == subtotal && subtotal + tax == total,
            "the invoice does not add up: {invoice}"
        );
        ensure!(tax == subtotal / 10, "10 % once, rounded down: {invoice}");
        let checks = lines
            .iter()
            .filter(|line| line["meter"] == "status_check" && line["category"] == "platform_usage");
        let checked = checks
            .map(|line| yen(&line["quantity"]))
            .sum::<anyhow::Result<i64>>()?;
        ensure!(
            usize::try_from(checked)? == WATCHED,
            "status checks on the invoice: {checked}"
        );
        let mut report = vec![format!(
            "closing {month} before its end: 409; an hour after its end: closed"
        )];
        for line in lines {
            report.push(format!(
                "{:>6} x {:>6} = {:>7} yen  {}",
                line["quantity"],
                line["unit_price"],
                line["amount"],
                text(line, "/description_ja")?
            ));
        }
        report.push(format!(
            "{sum} + tax {tax} = {total} yen, {} to {}",
            text(&invoice, "/number")?,
            text(&invoice, "/recipient/name")?
        ));
        Ok(report)
    }
}

/// Sums quantities of a meter in a usage answer.
fn quantity(usage: &Value, meter: &str, billable: bool) -> i64 {
    let field = if billable {
        "billable_quantity"
    } else {
        "quantity"
    };
    let rows = ["/data", "/usage", "/rows", "/lines"]
        .iter()
        .find_map(|pointer| usage.pointer(pointer)?.as_array());
    rows.into_iter()
        .flatten()
        .filter(|row| row["meter"] == meter)
        .filter_map(|row| row[field].as_i64())
        .sum()
}

/// Asks again until there is an answer, for at most 20 seconds.
async fn wait<T>(
    what: &str,
    ask: impl AsyncFn() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    const PAUSE: Duration = Duration::from_millis(50);
    for _ in 0..400 {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        tokio::time::sleep(PAUSE).await;
    }
    bail!("waited 20 s for {what}")
}

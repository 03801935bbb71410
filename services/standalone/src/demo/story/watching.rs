//! Steps about being watched: a thousand customers, one of whom moves.

use std::sync::Arc;

use anyhow::ensure;
use serde_json::{Value, json};

use super::{CITIZEN, Lines, Story, WATCHED, wait};
use crate::demo::client::{array, text};

const NEW_ADDRESS: &str = "東京都清瀬市観布子北３－１－５";

impl Story<'_> {
    pub(in crate::demo) async fn watch_a_thousand(&mut self) -> Lines {
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

    pub(in crate::demo) async fn citizen_moves(&mut self) -> Lines {
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

    pub(in crate::demo) async fn exactly_one_is_flagged(&mut self) -> Lines {
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
        // Where verification is a process of its own, it hears of the list as the tenants do: a moment later.
        wait("the certificate to be known as revoked", async || {
            let (_, again) = self.verify(&token, None, &request).await?;
            let known = again["reason"] == "certificate_revoked";
            ensure!(
                known || again["verdict"] == "valid",
                "verified again: {again}"
            );
            Ok(known.then_some(()))
        })
        .await?;
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

    pub(in crate::demo) async fn webhook_arrives(&mut self) -> Lines {
        if self.endpoint.is_empty() {
            return Ok(vec![
                "left out: the platform does not deliver to this machine; the event was read from the feed".to_owned(),
            ]);
        }
        self.attempts(1).await?;
        let (wanted, pauses) = if self.setting.is_sandbox() {
            self.attempts(2).await?;
            (
                vec![500, 204],
                "at once and after 5 s (waited for); left out: the third after 5 min, which production's clock decides",
            )
        } else {
            self.advance("PT6S").await?;
            self.attempts(2).await?;
            self.advance("PT5M1S").await?;
            self.attempts(3).await?;
            let pauses = "at once, after 5 s, after 5 min (the clock was moved)";
            (vec![500, 500, 204], pauses)
        };
        let arrivals = self.setting.receiver.arrivals();
        let answers: Vec<u16> = arrivals.iter().map(|one| one.answered).collect();
        ensure!(answers == wanted, "answers: {answers:?}");
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
        let answers = match wanted.len() {
            2 => "500 and 204",
            _ => "500, 500 and 204",
        };
        Ok(vec![
            format!("answered {answers}: {pauses}"),
            format!(
                "one id on all of them ({}), fresh timestamps, signatures verified by the standardwebhooks library",
                arrivals[0].id
            ),
            format!("recorded as delivered: {}", text(&delivered, "/id")?),
        ])
    }

    /// So many attempts have arrived and are recorded: when the next one is due counts from the record, which a clock that is moved must
    /// not get ahead of.
    async fn attempts(&self, count: usize) -> anyhow::Result<()> {
        wait("the webhook's next attempt", async || {
            Ok((self.setting.receiver.arrivals().len() >= count).then_some(()))
        })
        .await?;
        let token = self.firm_token().await?;
        let path = format!("/v1/webhook-endpoints/{}/deliveries", self.endpoint);
        wait("the webhook's attempt to be recorded", async || {
            let list = self.platform.get(&path, Some(&token)).await?;
            let recorded = |one: &Value| {
                let attempts = one["attempts"].as_array();
                attempts.is_some_and(|attempts| attempts.len() >= count)
            };
            Ok(array(&list, "/data")?.iter().any(recorded).then_some(()))
        })
        .await
    }
}

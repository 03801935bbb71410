//! Steps about one signature: made, verified, tampered with, asked for again.

use anyhow::ensure;
use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::Method;
use serde_json::{Value, json};
use warikan_types::BillingMonth;

use super::{CITIZEN, Lines, Story, wait};
use crate::demo::client::{array, text};

const FIRST_ADDRESS: &str = "東京都清瀬市観布子南１２－７－２０２";

impl Story<'_> {
    pub(in crate::demo) async fn citizen_signs(&mut self) -> Lines {
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

    pub(in crate::demo) async fn firm_verifies(&mut self) -> Lines {
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
            "the platform to be ready, with its revocation lists fetched (/health/ready says what is missing)",
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

    pub(in crate::demo) async fn tampered_copy(&mut self) -> Lines {
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

    pub(in crate::demo) async fn replay(&mut self) -> Lines {
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
        let all = quantity(&usage, "verification", false);
        ensure!(
            all == 2,
            "two verifications are recorded, not {all}: {usage}"
        );
        let billable = quantity(&usage, "verification", true);
        let wanted = i64::from(!self.setting.is_sandbox());
        ensure!(
            billable == wanted,
            "{wanted} billable verifications expected, not {billable}: {usage}"
        );
        let report = if self.setting.is_sandbox() {
            "usage so far: 2 verifications recorded, none billable (the sandbox is free)"
        } else {
            "usage so far: 1 billable verification (the refused copy is recorded and free)"
        };
        Ok(vec![
            format!(
                "same Idempotency-Key: the whole first answer again, {}",
                text(&again, "/id")?
            ),
            report.to_owned(),
        ])
    }
}

/// Sums quantities of a meter in a usage answer.
pub(super) fn quantity(usage: &Value, meter: &str, billable: bool) -> i64 {
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

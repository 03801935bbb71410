//! The last step: the month is closed.

use anyhow::{Context, bail, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use warikan_types::BillingMonth;

use super::{Lines, Story, WATCHED, signature::quantity, wait_for};
use crate::demo::client::{array, text};

impl Story<'_> {
    pub(in crate::demo) async fn month_closes(&mut self) -> Lines {
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
        if self.setting.is_sandbox() {
            return self.month_adds_up(month).await;
        }
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
        let mut report = vec![format!(
            "closing {month} before its end: 409; an hour after its end: closed"
        )];
        report.extend(add_up(&invoice)?);
        Ok(report)
    }
}

impl Story<'_> {
    /// What can be said of a month that has not ended: everything is counted, once.
    async fn month_adds_up(&self, month: BillingMonth) -> Lines {
        // Watches are metered when revocation next looks at its source.
        const PATIENCE: u32 = 120;
        let token = self.firm_token().await?;
        let path = format!("/v1/usage?period={month}");
        let watched = i64::try_from(WATCHED)?;
        let what = "the month's status checks to be metered";
        let usage = wait_for(PATIENCE, what, async || {
            let usage = self.platform.get(&path, Some(&token)).await?;
            let checked = quantity(&usage, "status_check", false);
            Ok((checked >= watched).then_some(usage))
        })
        .await?;
        let checked = quantity(&usage, "status_check", false);
        ensure!(checked == watched, "status checks counted: {checked}");
        let verified = self
            .platform
            .get("/v1/verifications?limit=100", Some(&token));
        let verified = array(&verified.await?, "/data")?.len();
        let counted = quantity(&usage, "verification", false);
        ensure!(
            usize::try_from(counted)? == verified,
            "{counted} of {verified} verifications are counted: {usage}"
        );
        Ok(vec![
            format!("closing {month} before its end: 409"),
            format!("counted once each: {counted} verifications, {checked} status checks"),
            "left out: the close and the invoice; the month's end is production's clock, which nobody moves".to_owned(),
        ])
    }
}

/// Recomputes the invoice from its lines and reports them.
fn add_up(invoice: &Value) -> Lines {
    let lines = array(invoice, "/lines")?;
    let yen = |value: &Value| value.as_i64().context("an amount is an integer");
    let total_of = |name: &str| yen(&invoice[name]);
    let sum = lines
        .iter()
        .map(|line| yen(&line["amount"]))
        .sum::<anyhow::Result<i64>>()?;
    let (subtotal, tax, total) = (total_of("subtotal")?, total_of("tax")?, total_of("total")?);
    ensure!(
        sum == subtotal && subtotal + tax == total,
        "the invoice does not add up: {invoice}"
    );
    ensure!(tax == subtotal / 10, "10 % once, rounded down: {invoice}");
    let checked = lines
        .iter()
        .filter(|line| line["meter"] == "status_check" && line["category"] == "platform_usage")
        .map(|line| yen(&line["quantity"]))
        .sum::<anyhow::Result<i64>>()?;
    ensure!(
        usize::try_from(checked)? == WATCHED,
        "status checks on the invoice: {checked}"
    );
    let mut report = Vec::with_capacity(lines.len() + 1);
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
        text(invoice, "/number")?,
        text(invoice, "/recipient/name")?
    ));
    Ok(report)
}

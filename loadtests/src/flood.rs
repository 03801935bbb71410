//! `flood`: a tenant that keeps to its quota, alone and while another sends fifty times its own (F009).
//!
//! Both send verifications, open loop: requests begin at their moments, and latency counts from there. First the quiet tenant alone, then the same
//! again beside the flood; the ratio of the two p99 is the figure. A quota is a minute's, and all of it may come at once, so the flood's
//! first seconds are carried out and not refused: they are in the figure, and beside it stands the one without them.

use std::{io::Write, path::PathBuf, time::Duration};

use anyhow::ensure;
use serde_json::{Value, json};

use crate::{
    caller::{Caller, Certificate},
    drive::{Driven, Pace, drive},
    platform::{Place, Platform},
    statistics::{Micros, Ratio, Sample},
};

/// The scenario.
#[derive(clap::Args)]
pub(crate) struct Flood {
    /// The `warikan` binary.
    #[arg(long)]
    bin: PathBuf,
    /// Requests a tenant has in a minute.
    #[arg(long, default_value_t = 1_500, value_parser = clap::value_parser!(u32).range(120..=100_000))]
    quota: u32,
    /// How many times its quota the noisy tenant sends.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    times: u32,
    /// Seconds of each part.
    #[arg(long, default_value_t = 45, value_parser = clap::value_parser!(u32).range(10..=240))]
    seconds: u32,
    /// Citizens whose signatures go round.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    citizens: u32,
    /// Runs, each on a platform of its own.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=20))]
    repeat: u32,
}

/// What is sent by one of the two.
struct Tenant {
    caller: Caller,
    credential: Value,
    name: &'static str,
    rate: u32,
}

impl Flood {
    pub(crate) async fn run(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let rate = self.quota / 60;
        writeln!(
            out,
            "flood: a quota of {} a minute; one tenant sends {} a second, the other {} times its quota, {} s each\n\
             | run | who | a second | answered | refused | p50 | p90 | p99 | most (us) |\n|---|---|---|---|---|---|---|---|---|",
            self.quota,
            rate * 4 / 5,
            self.times,
            self.seconds
        )?;
        let quota = self.quota.to_string();
        for run in 1..=self.repeat {
            let place = Place::Binary(self.bin.clone());
            let settings = [("WARIKAN_LIMITS__TENANT_REQUESTS_PER_MINUTE", quota.as_str())];
            let platform = Platform::with(&place, &settings).await?;
            let bodies = self.bodies(&platform).await?;
            let quiet = tenant(&platform, "quiet", rate * 4 / 5).await?;
            let noisy = tenant(&platform, "noisy", rate * self.times).await?;
            // What is done once (a data key, a prepared statement) is in neither part.
            self.send(&quiet, &bodies, "first", 1).await?;
            let alone = self.send(&quiet, &bodies, "alone", self.seconds).await?;
            let before = line(out, run, "the quiet one alone", &quiet, &alone)?;
            let (beside, flood) = tokio::join!(
                self.send(&quiet, &bodies, "beside", self.seconds),
                self.send(&noisy, &bodies, "flood", self.seconds)
            );
            let (beside, flood) = (beside?, flood?);
            let after = line(out, run, "the quiet one beside the flood", &quiet, &beside)?;
            line(out, run, "the flood", &noisy, &flood)?;
            // So long the flood is let through; the requests of a drive come in the order of their moments.
            let burst = (self.quota / (rate * self.times).max(1) + 1) * quiet.rate;
            let later = beside.accepted_after(burst as usize)?;
            writeln!(
                out,
                "| {run} | **p99 beside the flood by p99 alone** | {} | without the flood's first {} s | {} | | | | |",
                Ratio::of(after.percentile(99), before.percentile(99)),
                burst / quiet.rate,
                Ratio::of(later.percentile(99), before.percentile(99))
            )?;
            out.flush()?;
        }
        Ok(())
    }

    async fn bodies(&self, platform: &Platform) -> anyhow::Result<Vec<String>> {
        let signed = platform
            .anyone
            .signed(self.citizens as usize, Certificate::Signature)
            .await?;
        let named = signed.into_iter().enumerate().map(|(number, mut body)| {
            body["subject_ref"] = json!(format!("C-{number}"));
            body.to_string()
        });
        Ok(named.collect())
    }

    async fn send(
        &self,
        tenant: &Tenant,
        bodies: &[String],
        part: &str,
        seconds: u32,
    ) -> anyhow::Result<Driven> {
        // A token lives five minutes, which no part lasts.
        let caller = tenant.caller.with(&tenant.credential).await?;
        let octets = |number: usize| {
            let key = format!("{}-{part}-{number}", tenant.name);
            let body = &bodies[number % bodies.len()];
            caller.post_octets("/v1/verifications", &key, body)
        };
        let requests = (0..tenant.rate as usize * seconds as usize).map(octets);
        let requests = requests.collect::<anyhow::Result<Vec<_>>>()?;
        // Both begin when both are ready to.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let driven = drive(tenant.caller.address()?, requests, Pace::Open(tenant.rate)).await?;
        let told = driven.accepted()?.len() + driven.refused();
        ensure!(
            told == driven.len(),
            "{} of {} answers to the {} tenant are neither",
            driven.len() - told,
            driven.len(),
            tenant.name
        );
        Ok(driven)
    }
}

async fn tenant(platform: &Platform, name: &'static str, rate: u32) -> anyhow::Result<Tenant> {
    let credential = platform.sandbox_credential().await?;
    let caller = platform.anyone.with(&credential).await?;
    Ok(Tenant {
        caller,
        credential,
        name,
        rate,
    })
}

fn line(
    out: &mut impl Write,
    run: u32,
    who: &str,
    tenant: &Tenant,
    driven: &Driven,
) -> anyhow::Result<Sample> {
    let accepted = driven.accepted()?;
    writeln!(
        out,
        "| {run} | {who} | {} | {} | {} | {} | {} | {} | {} |",
        tenant.rate,
        accepted.len(),
        driven.refused(),
        Micros(accepted.median()),
        Micros(accepted.percentile(90)),
        Micros(accepted.percentile(99)),
        Micros(accepted.longest())
    )?;
    Ok(accepted)
}

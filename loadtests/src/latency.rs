//! `verify-latency`: one client on loopback, one verification after the other, each under an Idempotency-Key of its own.
//!
//! What is measured is what a tenant waits for: from handing the request to the HTTP client to having read the whole answer.
//! In between lie the loopback, the token, two RSA verifications (the citizen's signature and the issuer's), the
//! status look-up, and one durable commit of verification, answer and fact.

use std::{
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    caller::{Caller, Certificate},
    platform::{Place, Platform},
    report::{Budget, Report},
    statistics::{Micros, Ratio, Sample, middle},
    yardstick,
};

/// Citizens whose signatures go round.
const CITIZENS: usize = 50;
/// Verifications between two tokens, which live five minutes. Not measured.
const PER_TOKEN: u32 = 500;
/// Round trips to `/health/live`.
const ROUND_TRIPS: usize = 500;

const NAME: &str = "verify-latency";

/// The scenario.
pub(crate) struct Latency {
    pub(crate) place: Place,
    pub(crate) count: u32,
    pub(crate) warm_up: u32,
    pub(crate) repeat: u32,
}

/// One run.
struct Run {
    verifications: Sample,
    rsa_verify: Duration,
    round_trip: Duration,
    synced_write: Duration,
}

impl Latency {
    pub(crate) async fn run(
        &self,
        out: &mut impl Write,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        writeln!(
            out,
            "verify-latency: {} verifications after {} to warm up, one client; microseconds",
            self.count, self.warm_up
        )?;
        writeln!(
            out,
            "run  /rsa    /trip   /sync   median     p90     p99     max | rsa verify (ns)  round trip  synced write"
        )?;
        let mut runs = Vec::new();
        for number in 1..=self.repeat {
            let run = self.once().await?;
            let median = run.verifications.median();
            writeln!(
                out,
                "{number:>3}  {:<6}  {:<6}  {:<6}  {:>6}  {:>6}  {:>6}  {:>6} | {:>15}  {:>10}  {:>12}",
                Ratio::of(median, run.rsa_verify).to_string(),
                Ratio::of(median, run.round_trip).to_string(),
                Ratio::of(median, run.synced_write).to_string(),
                Micros(median),
                Micros(run.verifications.percentile(90)),
                Micros(run.verifications.percentile(99)),
                Micros(run.verifications.longest()),
                run.rsa_verify.as_nanos(),
                Micros(run.round_trip),
                Micros(run.synced_write),
            )?;
            runs.push(run);
        }
        let tails: Vec<Duration> = runs
            .iter()
            .map(|run| run.verifications.percentile(99))
            .collect();
        let ratios: Vec<Ratio> = runs
            .iter()
            .map(|run| Ratio::of(run.verifications.median(), run.rsa_verify))
            .collect();
        let medians: Vec<Duration> = runs.iter().map(|run| run.verifications.median()).collect();
        if let (Some(ratio), Some(median)) = (middle(&ratios), middle(&medians)) {
            writeln!(
                out,
                "median of {} runs: {ratio} times one RSA-2048 verification, {} us",
                runs.len(),
                Micros(median)
            )?;
            let median = median.as_micros();
            report.budget(Budget::at_most(
                NAME,
                "p50 of one client (us)",
                median,
                1_000,
            ));
        }
        if let Some(p99) = middle(&tails) {
            let p99 = p99.as_micros();
            report.budget(Budget::at_most(NAME, "p99 of one client (us)", p99, 5_000));
        }
        Ok(())
    }

    async fn once(&self) -> anyhow::Result<Run> {
        let platform = Platform::at(&self.place).await?;
        let bodies = platform
            .anyone
            .signed(CITIZENS, Certificate::Signature)
            .await?;
        let credential = platform.sandbox_credential().await?;
        // A platform that lives on knows the keys of earlier runs, so the tenant of this run names them.
        let client = credential["client_id"].as_str().unwrap_or_default();
        let mut firm = platform.anyone.with(&credential).await?;
        let mut measured = Vec::new();
        for number in 0..self.warm_up + self.count {
            if number % PER_TOKEN == PER_TOKEN - 1 {
                firm = platform.anyone.with(&credential).await?;
            }
            let key = format!("{client}-{number}");
            let took = one(&firm, &key, number, &bodies).await?;
            if number >= self.warm_up {
                measured.push(took);
            }
        }
        let directory = platform.directory().unwrap_or(Path::new("."));
        Ok(Run {
            verifications: Sample::new(measured),
            round_trip: round_trip(&platform.anyone).await?,
            synced_write: yardstick::synced_write(directory)?,
            rsa_verify: yardstick::rsa_verify()?,
        })
    }
}

/// One verification that must be valid.
pub(crate) async fn one(
    firm: &Caller,
    key: &str,
    number: u32,
    bodies: &[Value],
) -> anyhow::Result<Duration> {
    let place = usize::try_from(number)? % bodies.len();
    let begun = Instant::now();
    firm.verify(key, &bodies[place]).await?;
    Ok(begun.elapsed())
}

/// The cheapest request there is: what HTTP on loopback costs with this client and server.
async fn round_trip(anyone: &Caller) -> anyhow::Result<Duration> {
    let mut measured = Vec::with_capacity(ROUND_TRIPS);
    for _ in 0..ROUND_TRIPS {
        let begun = Instant::now();
        anyone.get("/health/live").await?;
        measured.push(begun.elapsed());
    }
    Ok(Sample::new(measured).median())
}

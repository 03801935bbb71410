//! `floors`: what each part of a verification costs by itself, done as cheaply as is known here.
//!
//! Cryptography by `openssl speed` on one core. HTTP by `GET /health/live` with the same clients. Storage by the rows themselves: the
//! platform makes some thousand verifications and stops; then its tables are copied, so many verifications' rows to a commit, into empty ones
//! with the same indices by one statement each, without parameters, without objects, in the durable settings. Processor time, not time: what
//! a verification must take of the cores, whatever else is done meanwhile.

mod postgres;
mod sqlite;

use std::{
    io::Write,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::Context;

use crate::{
    drive::{Pace, drive},
    platform::{Place, Platform, processor},
    report::Report,
    statistics::Sample,
    wire,
    work::Work,
    yardstick,
};

const NAME: &str = "floors";
/// Verifications to a commit: what a batch holds when 256 clients wait.
const BATCH: u64 = 128;
/// Answers to `GET /health/live`.
const TRIPS: usize = 60_000;

/// The scenario.
pub(crate) struct Floors {
    pub(crate) place: Place,
    pub(crate) work: Work,
}

/// The tables of each service into which a verification writes.
const STORED: &[(&str, &[&str])] = &[
    (
        "verification",
        &[
            "verification",
            "idempotent_answer",
            "metered_operation",
            "outbox",
        ],
    ),
    ("webhooks", &["feed_event"]),
    ("billing", &["usage_record"]),
];

/// The parts, told as they come, and their sum.
struct Parts<'a, W> {
    out: &'a mut W,
    report: &'a mut Report,
    sum: Duration,
}

impl<W: Write> Parts<'_, W> {
    fn part(&mut self, name: &str, each: Duration) -> anyhow::Result<()> {
        self.sum += each;
        let (whole, nanos) = (each.as_micros(), each.as_nanos());
        self.report
            .figure(NAME, &format!("{name} (ns)"), each.as_nanos());
        writeln!(self.out, "| {name} | {whole}.{} |", nanos / 100 % 10)?;
        Ok(())
    }

    fn cryptography(&mut self, rsa: Duration) -> anyhow::Result<()> {
        self.part("two RSA-2048 verifications", rsa * 2)?;
        self.part("one Ed25519 signature (receipt)", ed25519_sign()?)?;
        self.part("sealing 6 KiB (AES-256-GCM)", aes_gcm(6_144)?)?;
        let hashed = "hashing 16 KiB (SHA-256: body, certificate, document, evidence, key)";
        self.part(hashed, sha256(16_384)?)
    }

    async fn http(&mut self, platform: &Platform, pace: Pace) -> anyhow::Result<()> {
        let host = platform.anyone.address()?;
        let request = wire::get(&host.to_string(), "/health/live");
        let before = (platform.processor()?, processor()?);
        drive(host, vec![request; TRIPS], pace).await?;
        let after = (platform.processor()?, processor()?);
        let trips = u32::try_from(TRIPS)?;
        let (ours, clients) = (after.0 - before.0, after.1 - before.1);
        self.part("an HTTP round trip, the platform's side", ours / trips)?;
        self.part("an HTTP round trip, the client's side", clients / trips)
    }

    /// What they come to, beside what it is.
    fn end(self, rsa: Duration, took: u128) -> anyhow::Result<()> {
        let least = self.sum.as_micros();
        let cores = std::thread::available_parallelism()?.get() as u128;
        let most = cores * 1_000_000 / least.max(1);
        let limit = cores * 1_000_000_000 / (2 * rsa.as_nanos().max(1));
        let percent = most * 100 / limit.max(1);
        writeln!(
            self.out,
            "| **sum** | {least} |\n| the platform's processor time, as it is | {took} |\n\
             {most} a second on {cores} cores if nothing else were done: {percent} % of the RSA limit of {limit}"
        )?;
        self.report.figure(NAME, "sum (us)", least);
        self.report
            .figure(NAME, "the platform's, as it is (us)", took);
        let allowed = "what the floors allow, percent of the RSA limit";
        self.report.figure(NAME, allowed, percent);
        Ok(())
    }
}

impl Floors {
    pub(crate) async fn run(
        &self,
        out: &mut impl Write,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        writeln!(
            out,
            "{NAME}: processor time of the parts of a verification, each by itself\n| part | us |\n|---|---|"
        )?;
        let mut parts = Parts {
            out: &mut *out,
            report: &mut *report,
            sum: Duration::ZERO,
        };
        let rsa = yardstick::rsa_verify()?;
        parts.cryptography(rsa)?;
        let stage = self.work.stage(&self.place, &[]).await?;
        let (_, ids) = self.work.challenges(&stage).await?;
        let pace = Pace::Closed(self.work.clients);
        let server = postgres::server().await?;
        let of_server = || match server {
            Some(_) => postgres::processor(),
            None => Ok(Duration::ZERO),
        };
        let (before, count) = (of_server()?, self.work.count);
        let whole = self
            .work
            .verifications(&stage, &ids, 0..count, pace)
            .await?;
        self.work.told(&stage, count).await?;
        let served = of_server()?.saturating_sub(before).as_micros() / count as u128;
        let platform = stage.host.into_platform()?;
        parts.http(&platform, pace).await?;
        let directory = platform.stop().await?;
        let data = directory.path().join("data");
        for (service, tables) in STORED {
            let each = match &server {
                None => sqlite::copied(&data, service, tables, count).await?,
                Some(db) => postgres::copied(db, service, tables, count).await?,
            };
            parts.part(&format!("the rows in {service}, written and synced"), each)?;
        }
        parts.end(rsa, whole.each() + served)?;
        let handed = handed_over().await?;
        let name = "work handed to another thread (ns)";
        report.figure(NAME, name, handed.as_nanos());
        let (handed, rsa) = (handed.as_micros(), (rsa * 2).as_micros());
        let asleep = handed_over_asleep().await?;
        let name = "the same, asleep, as a request waits for it (ns)";
        report.figure(NAME, name, asleep.as_nanos());
        let asleep = asleep.as_micros();
        writeln!(
            out,
            "handing work to another thread and back: {handed} us, beside {rsa} us of RSA; {asleep} us where both were asleep"
        )?;
        Ok(())
    }
}

/// What it costs to have work done off the thread that serves the connection: the way there and back, without the work.
async fn handed_over() -> anyhow::Result<Duration> {
    const ROUNDS: u32 = 500;
    const AT_ONCE: u32 = 64;
    let before = processor()?;
    for _ in 0..ROUNDS {
        let jobs: Vec<_> = (0..AT_ONCE)
            .map(|_| tokio::task::spawn_blocking(|| ()))
            .collect();
        for job in jobs {
            job.await?;
        }
    }
    Ok(processor()?.saturating_sub(before) / (ROUNDS * AT_ONCE))
}

/// How long the same takes where nothing else is done, so that both threads and their cores were asleep: what a lone request waits for at each
/// of its ways to another thread.
async fn handed_over_asleep() -> anyhow::Result<Duration> {
    const ROUNDS: usize = 200;
    let mut took = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        tokio::time::sleep(Duration::from_millis(2)).await;
        let begun = Instant::now();
        tokio::task::spawn_blocking(|| ()).await?;
        took.push(begun.elapsed());
    }
    Ok(Sample::new(took).median())
}

/// The machine-readable answer of `openssl speed`.
fn speed(arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("openssl")
        .args(["speed", "-seconds", "1", "-mr"])
        .args(arguments)
        .output()
        .context("cannot run openssl")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// `+F6:<index>:<bits>:<name>:<signatures a second>:..` of OpenSSL 3.
fn ed25519_sign() -> anyhow::Result<Duration> {
    let said = speed(&["ed25519"])?;
    let line = said.lines().find_map(|line| line.strip_prefix("+F6:"));
    let line = line.with_context(|| format!("openssl speed told nothing of Ed25519: {said}"))?;
    let fields: Vec<&str> = line.split(':').collect();
    // Names come in some versions; the first rate is that of signing.
    let rates = fields.iter().skip(2).filter_map(|field| whole(field));
    let rate = rates.max().filter(|rate| *rate > 0).context("no rate")?;
    Ok(Duration::from_nanos(1_000_000_000 / rate))
}

fn aes_gcm(octets: u64) -> anyhow::Result<Duration> {
    per_block(
        &["-bytes", &octets.to_string(), "-evp", "aes-256-gcm"],
        octets,
    )
}

fn sha256(octets: u64) -> anyhow::Result<Duration> {
    per_block(&["-bytes", &octets.to_string(), "-evp", "sha256"], octets)
}

/// `+F:<index>:<name>:<octets a second>`.
fn per_block(arguments: &[&str], octets: u64) -> anyhow::Result<Duration> {
    let said = speed(arguments)?;
    let line = said.lines().find_map(|line| line.strip_prefix("+F:"));
    let line = line.with_context(|| format!("openssl speed told nothing: {said}"))?;
    let rate = line.rsplit(':').next().and_then(whole);
    let rate = rate.filter(|rate| *rate > 0).context("no rate")?;
    Ok(Duration::from_nanos(octets * 1_000_000_000 / rate))
}

fn whole(number: &str) -> Option<u64> {
    number.split('.').next()?.parse().ok()
}

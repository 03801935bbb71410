//! `login` and `soak`: a challenge, then the verification that uses it up, over and over, as an application does it.
//!
//! Closed loop: each client begins its next flow when the last has ended. Requests are made while the clock runs, from text that is ready
//! but for the key and the challenge, so that a run may last as long as it likes without needing memory for what is to come.

use std::{
    io::Write,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    caller::{Caller, Certificate},
    platform::{Place, Platform},
    report::{Budget, Report},
    statistics::{Micros, Sample},
    wire::Connection,
};

/// Access tokens live five minutes.
const RENEW: Duration = Duration::from_secs(150);

/// From then on it is a soak.
const LONG: Duration = Duration::from_secs(120);

/// The scenario.
pub(crate) struct Flows {
    pub(crate) name: &'static str,
    pub(crate) place: Place,
    /// With which certificate; the challenge is for its purpose.
    pub(crate) certificate: Certificate,
    pub(crate) clients: usize,
    pub(crate) tenants: usize,
    pub(crate) citizens: usize,
    pub(crate) lasts: Duration,
    /// A line each.
    pub(crate) interval: Duration,
}

/// What stands still while the clients run.
struct Stage {
    firms: RwLock<Vec<Caller>>,
    citizens: Vec<Citizen>,
    numbers: AtomicU64,
}

/// What a citizen's flows are made of.
enum Citizen {
    /// Signs a document, once: the challenge's body, and the verification's without its closing brace.
    Signing(String, String),
    /// Logs in: the card signs each challenge anew (`POST /sandbox/persons/{id}/sign`, between the two, and not measured).
    LoggingIn { sign: String, customer: String },
}

/// One flow's two answers.
struct Done {
    challenge: Duration,
    verification: Duration,
}

impl Flows {
    pub(crate) async fn run(
        &self,
        out: &mut impl Write,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let platform = Platform::at(&self.place).await?;
        let mut credentials = Vec::new();
        for _ in 0..self.tenants {
            credentials.push(platform.sandbox_credential().await?);
        }
        let stage = Arc::new(Stage {
            firms: RwLock::new(tokens(&platform, &credentials).await?),
            citizens: self.citizens(&platform).await?,
            numbers: AtomicU64::new(0),
        });
        self.head(out)?;
        let begun = Instant::now();
        let (mut clients, mut heard) = self.clients(&platform, &stage, begun + self.lasts)?;
        let mut memory = Vec::new();
        let mut renewed = begun;
        let mut all = Vec::new();
        let mut processor = platform.processor()?;
        let (first, mut looked) = (processor, begun);
        while !clients.is_empty() {
            let next = looked + self.interval;
            while Instant::now() < next && !clients.is_empty() {
                tokio::select! {
                    () = tokio::time::sleep_until(next.into()) => {}
                    Some(ended) = clients.join_next() => ended??,
                }
            }
            let mut done = Vec::new();
            while let Ok(one) = heard.try_recv() {
                done.push(one);
            }
            let used = platform.processor()?;
            let resident = platform.resident()? / 1_024;
            let after = format!("{}", begun.elapsed().as_secs());
            if !done.is_empty() {
                line(
                    out,
                    &after,
                    &done,
                    looked.elapsed(),
                    used - processor,
                    resident,
                )?;
            }
            memory.push(resident);
            all.extend(done);
            (looked, processor) = (Instant::now(), used);
            if renewed.elapsed() > RENEW {
                let new = tokens(&platform, &credentials).await?;
                *stage.firms.write().unwrap_or_else(PoisonError::into_inner) = new;
                renewed = Instant::now();
            }
        }
        ensure!(!all.is_empty(), "no flow was ended");
        let most = memory.iter().copied().max().unwrap_or_default();
        let took = begun.elapsed();
        line(out, "all", &all, took, processor - first, most)?;
        self.judge(report, &all, took, &memory);
        Ok(())
    }

    /// Starts the clients; gives where they tell what they did.
    fn clients(
        &self,
        platform: &Platform,
        stage: &Arc<Stage>,
        until: Instant,
    ) -> anyhow::Result<(JoinSet<anyhow::Result<()>>, mpsc::UnboundedReceiver<Done>)> {
        let (told, heard) = mpsc::unbounded_channel();
        let mut clients = JoinSet::new();
        for _ in 0..self.clients {
            let to = platform.anyone.address()?;
            clients.spawn(client(to, Arc::clone(stage), until, told.clone()));
        }
        Ok((clients, heard))
    }

    fn head(&self, out: &mut impl Write) -> anyhow::Result<()> {
        writeln!(
            out,
            "{}: {} clients for {} s, {} tenants with {} citizens each; a flow is a challenge and its verification\n\
             | after (s) | flows a second | challenge p50 | p99 | verification p50 | p99 | most (us) | platform's processor time a flow (us) | VmRSS (MiB) |\n\
             |---|---|---|---|---|---|---|---|---|",
            self.name,
            self.clients,
            self.lasts.as_secs(),
            self.tenants,
            self.citizens
        )?;
        Ok(())
    }

    fn judge(&self, report: &mut Report, all: &[Done], took: Duration, memory: &[u64]) {
        let most = memory.iter().copied().max().unwrap_or_default();
        let verifications = Sample::new(all.iter().map(|one| one.verification).collect());
        report.figure(
            self.name,
            "flows a second",
            all.len() as u128 * 1_000 / took.as_millis().max(1),
        );
        report.budget(Budget::at_most(
            self.name,
            "most memory (MiB)",
            u128::from(most),
            300,
        ));
        report.budget(Budget::at_most(
            self.name,
            "p99 of a verification (us)",
            verifications.percentile(99).as_micros(),
            100_000,
        ));
        // The first interval fills caches and pools; from then on nothing should grow. That takes a while to see.
        if let [_, second, .., last] = memory
            && self.lasts >= LONG
        {
            report.budget(Budget::at_most(
                self.name,
                "memory at the end, percent of the second interval's",
                u128::from(*last) * 100 / u128::from(*second).max(1),
                110,
            ));
        }
    }

    async fn citizens(&self, platform: &Platform) -> anyhow::Result<Vec<Citizen>> {
        let anyone = &platform.anyone;
        if self.certificate == Certificate::Authentication {
            let persons = anyone.persons(self.citizens, self.certificate).await?;
            let logging_in = |(number, person): (usize, Value)| {
                let id = person["id"].as_str().context("a person without id")?;
                Ok(Citizen::LoggingIn {
                    sign: format!("/sandbox/persons/{id}/sign"),
                    customer: format!("C-{number}"),
                })
            };
            return persons.into_iter().enumerate().map(logging_in).collect();
        }
        let signed = anyone.signed(self.citizens, self.certificate).await?;
        let signing = |(number, mut body): (usize, Value)| {
            let challenge =
                json!({ "purpose": self.certificate.purpose(), "signed": body["signed"] });
            body["subject_ref"] = json!(format!("C-{number}"));
            let mut body = body.to_string();
            body.pop();
            Citizen::Signing(challenge.to_string(), body)
        };
        Ok(signed.into_iter().enumerate().map(signing).collect())
    }
}

async fn tokens(platform: &Platform, credentials: &[Value]) -> anyhow::Result<Vec<Caller>> {
    let mut firms = Vec::with_capacity(credentials.len());
    for credential in credentials {
        firms.push(platform.anyone.with(credential).await?);
    }
    Ok(firms)
}

async fn client(
    to: std::net::SocketAddr,
    stage: Arc<Stage>,
    until: Instant,
    told: mpsc::UnboundedSender<Done>,
) -> anyhow::Result<()> {
    let mut connection = Connection::open(to).await?;
    while Instant::now() < until {
        let number = stage.numbers.fetch_add(1, Ordering::Relaxed);
        let place = usize::try_from(number)?;
        let firm = {
            let firms = stage.firms.read().unwrap_or_else(PoisonError::into_inner);
            firms[place % firms.len()].clone()
        };
        let citizen = &stage.citizens[place % stage.citizens.len()];
        let wish = match citizen {
            Citizen::Signing(challenge, _) => challenge,
            Citizen::LoggingIn { .. } => r#"{"purpose":"authentication"}"#,
        };
        let request = firm.post_octets("/v1/challenges", &format!("c-{number}"), wish)?;
        let begun = Instant::now();
        let answer = connection.exchange(&request).await?;
        let first = begun.elapsed();
        let challenge: Value = serde_json::from_slice(&answer.body)?;
        let id = challenge["id"].as_str();
        let id = id.with_context(|| format!("a challenge without id: {challenge}"))?;
        let verification = match citizen {
            Citizen::Signing(_, verification) => verification.clone(),
            Citizen::LoggingIn { sign, customer } => {
                let wish =
                    json!({ "message": challenge["challenge"], "certificate": "authentication" });
                let request = firm.post_octets(sign, &format!("s-{number}"), &wish.to_string())?;
                let mut body: Value =
                    serde_json::from_slice(&connection.exchange(&request).await?.body)?;
                body["subject_ref"] = json!(customer);
                let mut body = body.to_string();
                body.pop();
                body
            }
        };
        let body = format!("{verification},\"challenge_id\":\"{id}\"}}");
        let request = firm.post_octets("/v1/verifications", &format!("v-{number}"), &body)?;
        let begun = Instant::now();
        let answer = connection.exchange(&request).await?;
        let second = begun.elapsed();
        let text = String::from_utf8_lossy(&answer.body);
        ensure!(text.contains("\"verdict\":\"valid\""), "not valid: {text}");
        let _ = told.send(Done {
            challenge: first,
            verification: second,
        });
    }
    Ok(())
}

fn line(
    out: &mut impl Write,
    after: &str,
    done: &[Done],
    took: Duration,
    processor: Duration,
    resident: u64,
) -> anyhow::Result<()> {
    let challenges = Sample::new(done.iter().map(|one| one.challenge).collect());
    let verifications = Sample::new(done.iter().map(|one| one.verification).collect());
    writeln!(
        out,
        "| {after} | {} | {} | {} | {} | {} | {} | {} | {resident} |",
        done.len() as u128 * 1_000 / took.as_millis().max(1),
        Micros(challenges.median()),
        Micros(challenges.percentile(99)),
        Micros(verifications.median()),
        Micros(verifications.percentile(99)),
        Micros(verifications.longest()),
        processor.as_micros() / done.len().max(1) as u128,
    )?;
    out.flush()?;
    Ok(())
}

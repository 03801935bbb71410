//! `proxy-overhead`: the same request to the one binary, and through a gateway process to the service's own.
//!
//! Both platforms run at the same time and are asked in turn, request by request, so that whatever else the machine does meets both. The
//! request reads a tenant's own credentials: at the edge the access token is checked; behind a gateway an internal token is signed, the request
//! is sent on over a kept connection, and the token is checked there.

use std::{
    io::Write,
    path::PathBuf,
    time::{Duration, Instant},
};

use crate::{
    caller::Caller,
    platform::{Process, sandbox_credential},
    statistics::{Micros, Ratio, Sample, middle},
};

/// What is asked: one service, one small query, a body of some hundred octets.
const PATH: &str = "/v1/credentials";
/// Requests between two tokens, which live five minutes. Not measured.
const PER_TOKEN: u32 = 1_000;

/// The scenario.
pub(crate) struct Overhead {
    pub(crate) binary: PathBuf,
    pub(crate) count: u32,
    pub(crate) warm_up: u32,
    pub(crate) repeat: u32,
}

/// One run: what a request took in either shape.
struct Run {
    direct: Sample,
    proxied: Sample,
}

impl Overhead {
    pub(crate) async fn run(&self, out: &mut impl Write) -> anyhow::Result<()> {
        writeln!(
            out,
            "proxy-overhead: {} times GET {PATH} after {} to warm up, one client; microseconds",
            self.count, self.warm_up
        )?;
        writeln!(
            out,
            "run  ratio   direct     p99 | through a gateway     p99"
        )?;
        let mut ratios = Vec::new();
        for number in 1..=self.repeat {
            let run = self.once().await?;
            let (direct, proxied) = (run.direct.median(), run.proxied.median());
            let ratio = Ratio::of(proxied, direct);
            writeln!(
                out,
                "{number:>3}  {:<6}  {:>6}  {:>6} | {:>17}  {:>6}",
                ratio.to_string(),
                Micros(direct),
                Micros(run.direct.percentile(99)),
                Micros(proxied),
                Micros(run.proxied.percentile(99)),
            )?;
            ratios.push(ratio);
        }
        if let Some(ratio) = middle(&ratios) {
            writeln!(
                out,
                "median of {} runs: {ratio} times the request to the one binary",
                ratios.len()
            )?;
        }
        Ok(())
    }

    async fn once(&self) -> anyhow::Result<Run> {
        let directory = tempfile::tempdir()?;
        let (one, apart) = (directory.path().join("one"), directory.path().join("apart"));
        let mut whole = Process::start(&self.binary, &one, &[])?;
        let mut service = Process::start_role(&self.binary, &apart, "onboarding", &[])?;
        whole.first_ok("/health/ready").await?;
        service.listening().await?;
        let there = service.base().to_owned();
        let topology = [("WARIKAN_TOPOLOGY__ONBOARDING", there.as_str())];
        let mut gateway = Process::start_role(&self.binary, &apart, "gateway", &topology)?;
        gateway.first_ok("/health/live").await?;
        let credential = |folder: &PathBuf| folder.join("operator-credential.json");
        let of_one = sandbox_credential(&whole.anyone, &credential(&one)).await?;
        let of_apart = sandbox_credential(&gateway.anyone, &credential(&apart)).await?;
        let (mut direct, mut proxied) = (Vec::new(), Vec::new());
        let mut callers = (whole.anyone.clone(), gateway.anyone.clone());
        for number in 0..self.warm_up + self.count {
            if number % PER_TOKEN == 0 {
                callers.0 = whole.anyone.with(&of_one).await?;
                callers.1 = gateway.anyone.with(&of_apart).await?;
            }
            let took = (asked(&callers.0).await?, asked(&callers.1).await?);
            if number >= self.warm_up {
                direct.push(took.0);
                proxied.push(took.1);
            }
        }
        gateway.stop().await?;
        service.stop().await?;
        whole.stop().await?;
        Ok(Run {
            direct: Sample::new(direct),
            proxied: Sample::new(proxied),
        })
    }
}

async fn asked(caller: &Caller) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    caller.get(PATH).await?;
    Ok(begun.elapsed())
}

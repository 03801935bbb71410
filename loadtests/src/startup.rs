//! `startup`: from the start of the process to the first 200 of the liveness and the readiness probe, in a new data directory and
//! in one that exists, and the memory it then keeps.

use std::{
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    caller::Certificate,
    latency,
    platform::{Process, sandbox_credential},
    statistics::middle,
};

const CITIZENS: usize = 50;
const LIVE: &str = "/health/live";
const READY: &str = "/health/ready";

/// The scenario.
pub(crate) struct Startup {
    pub(crate) bin: PathBuf,
    pub(crate) count: u32,
    pub(crate) repeat: u32,
}

/// One start.
#[derive(Clone, Copy)]
struct Start {
    live: Duration,
    ready: Duration,
    resident: u64,
}

/// One run.
struct Run {
    /// Makes keys, citizens and databases.
    fresh: Start,
    /// In the same directory, which then holds the verifications.
    existing: Start,
    /// KiB after the verifications, in the first process.
    worked: u64,
    stop: Duration,
}

impl Startup {
    pub(crate) async fn run(&self, out: &mut impl Write) -> anyhow::Result<()> {
        writeln!(
            out,
            "startup: milliseconds from the process's start, KiB of VmRSS; {} verifications between",
            self.count
        )?;
        writeln!(
            out,
            "run  fresh: live  ready     rss   worked: rss  stop  existing: live  ready     rss"
        )?;
        let mut runs = Vec::new();
        for number in 1..=self.repeat {
            let run = self.once().await?;
            print(out, &number.to_string(), &run)?;
            runs.push(run);
        }
        Ok(print(out, "mid", &medians(&runs)?)?)
    }

    async fn once(&self) -> anyhow::Result<Run> {
        let directory = tempfile::tempdir()?;
        let data = directory.path().join("data");
        let mut process = Process::start(&self.bin, &data, &[])?;
        let fresh = started(&mut process).await?;
        self.work(&process, &data).await?;
        let worked = process.resident()?;
        let stop = process.stop().await?;
        let mut process = Process::start(&self.bin, &data, &[])?;
        let existing = started(&mut process).await?;
        process.stop().await?;
        Ok(Run {
            fresh,
            existing,
            worked,
            stop,
        })
    }

    async fn work(&self, process: &Process, data: &Path) -> anyhow::Result<()> {
        let file = data.join("operator-credential.json");
        let credential = sandbox_credential(&process.anyone, &file).await?;
        let bodies = process
            .anyone
            .signed(CITIZENS, Certificate::Signature)
            .await?;
        let firm = process.anyone.with(&credential).await?;
        for number in 0..self.count {
            latency::one(&firm, &format!("startup-{number}"), number, &bodies).await?;
        }
        Ok(())
    }
}

async fn started(process: &mut Process) -> anyhow::Result<Start> {
    Ok(Start {
        live: process.first_ok(LIVE).await?,
        ready: process.first_ok(READY).await?,
        resident: process.resident()?,
    })
}

/// Each column's median.
fn medians(runs: &[Run]) -> anyhow::Result<Run> {
    let start = |of: fn(&Run) -> Start| -> anyhow::Result<Start> {
        Ok(Start {
            live: median(runs, |run| of(run).live)?,
            ready: median(runs, |run| of(run).ready)?,
            resident: median(runs, |run| of(run).resident)?,
        })
    };
    Ok(Run {
        fresh: start(|run| run.fresh)?,
        existing: start(|run| run.existing)?,
        worked: median(runs, |run| run.worked)?,
        stop: median(runs, |run| run.stop)?,
    })
}

fn median<T: Ord + Copy>(runs: &[Run], of: impl Fn(&Run) -> T) -> anyhow::Result<T> {
    let numbers: Vec<T> = runs.iter().map(of).collect();
    middle(&numbers).ok_or_else(|| anyhow::anyhow!("there was no run"))
}

fn print(out: &mut impl Write, name: &str, run: &Run) -> std::io::Result<()> {
    writeln!(
        out,
        "{name:>3}  {:>11}  {:>5}  {:>6}  {:>12}  {:>4}  {:>14}  {:>5}  {:>6}",
        run.fresh.live.as_millis(),
        run.fresh.ready.as_millis(),
        run.fresh.resident,
        run.worked,
        run.stop.as_millis(),
        run.existing.live.as_millis(),
        run.existing.ready.as_millis(),
        run.existing.resident,
    )
}

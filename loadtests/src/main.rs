//! Measures the platform from outside: over HTTP on loopback, as a tenant meets it.
//!
//! A time alone says more about the machine than about the program. So each scenario takes its yardsticks in the same run (one
//! RSA verification by `openssl speed`, one HTTP round trip, one synced write) and reports how many times as long the
//! platform took. Everything is bounded: so many requests, so much patience, then an error.

mod caller;
mod drive;
mod latency;
mod naive;
mod overhead;
mod platform;
mod startup;
mod statistics;
mod throughput;
mod wire;
mod yardstick;

use std::{io::stdout, path::PathBuf};

use clap::{Parser, Subcommand};

use crate::{
    latency::Latency, overhead::Overhead, platform::Place, startup::Startup, throughput::Throughput,
};

/// Measures the platform from outside.
#[derive(Parser)]
#[command(name = "warikan-loadtests", version, about)]
struct Arguments {
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Subcommand)]
enum Scenario {
    /// One client, one verification after the other.
    VerifyLatency {
        #[command(flatten)]
        where_: Where,
        /// Verifications that are measured.
        #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        count: u32,
        /// Verifications before those.
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(0..=10_000))]
        warm_up: u32,
        /// Runs; the median of their medians is the figure.
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
        repeat: u32,
    },
    /// Many clients, on the platform's own cores.
    VerifyThroughput {
        /// The `warikan` binary.
        #[arg(long)]
        bin: PathBuf,
        /// Verifications that are measured.
        #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        count: u32,
        /// Clients at once, each with one request under way.
        #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=4_096))]
        clients: u32,
        /// Tenants, in turn.
        #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=100))]
        tenants: u32,
        /// Citizens whose certificates come to each tenant, in turn. As many as verifications a tenant: all are new to it.
        #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=5_000))]
        citizens: u32,
        /// Open loop: so many verifications a second, whatever becomes of the earlier ones.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        rate: Option<u32>,
        /// Measure the same platform with one request in each commit, too.
        #[arg(long)]
        baseline: bool,
        /// Measure the naive baseline, too: on SQLite, or on this empty PostgreSQL database (`postgres://..`).
        #[arg(long, num_args = 0..=1, default_missing_value = "sqlite")]
        naive: Option<String>,
    },
    /// Serves the naive baseline until it is killed; `verify-throughput --naive` starts it.
    #[command(hide = true)]
    Naive {
        #[arg(long)]
        database: String,
        #[arg(long)]
        roots: PathBuf,
    },
    /// The same request to the one binary, and through a gateway process to the service's own.
    ProxyOverhead {
        /// The `warikan` binary.
        #[arg(long)]
        bin: PathBuf,
        /// Requests that are measured, in either shape.
        #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        count: u32,
        /// Requests before those.
        #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(0..=10_000))]
        warm_up: u32,
        /// Runs; the median of their ratios is the figure.
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
        repeat: u32,
    },
    /// From the start of the process to the first answer, and what it keeps in memory.
    Startup {
        /// The `warikan` binary.
        #[arg(long)]
        bin: PathBuf,
        /// Verifications between the two looks at the memory.
        #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        count: u32,
        /// Runs, each in a new data directory.
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
        repeat: u32,
    },
}

/// A binary to start, or a platform that runs.
#[derive(clap::Args)]
struct Where {
    /// The `warikan` binary: each run starts it in a new data directory.
    #[arg(long, required_unless_present = "url", conflicts_with = "url")]
    bin: Option<PathBuf>,
    /// A running platform with its sandbox, `http://127.0.0.1:8787`.
    #[arg(long, requires = "operator_credential")]
    url: Option<String>,
    /// With `--url`: the platform's `operator-credential.json`.
    #[arg(long)]
    operator_credential: Option<PathBuf>,
}

impl Where {
    fn place(self) -> anyhow::Result<Place> {
        match (self.bin, self.url, self.operator_credential) {
            (Some(binary), None, _) => Ok(Place::Binary(binary)),
            (None, Some(url), Some(credential)) => Ok(Place::Running { url, credential }),
            _ => anyhow::bail!("give --bin, or --url with --operator-credential"),
        }
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut out = stdout();
    match arguments.scenario {
        Scenario::VerifyLatency {
            where_,
            count,
            warm_up,
            repeat,
        } => {
            let place = where_.place()?;
            let scenario = Latency {
                place,
                count,
                warm_up,
                repeat,
            };
            runtime.block_on(scenario.run(&mut out))
        }
        Scenario::VerifyThroughput {
            bin,
            count,
            clients,
            tenants,
            citizens,
            rate,
            baseline,
            naive,
        } => {
            let scenario = Throughput {
                binary: bin,
                count: count as usize,
                clients: clients as usize,
                tenants: tenants as usize,
                citizens: citizens as usize,
                rate,
                baseline,
                naive,
            };
            runtime.block_on(scenario.run(&mut out))
        }
        // Threads as many as cores, as the platform has.
        Scenario::Naive { database, roots } => {
            actix_web::rt::System::new().block_on(naive::serve(&database, &roots))
        }
        Scenario::ProxyOverhead {
            bin,
            count,
            warm_up,
            repeat,
        } => {
            let scenario = Overhead {
                binary: bin,
                count,
                warm_up,
                repeat,
            };
            runtime.block_on(scenario.run(&mut out))
        }
        Scenario::Startup { bin, count, repeat } => {
            let scenario = Startup { bin, count, repeat };
            runtime.block_on(scenario.run(&mut out))
        }
    }
}

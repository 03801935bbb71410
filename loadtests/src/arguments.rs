//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::{flood::Flood, platform::Place, refusals::Refusals, report::Report, work::Work};

/// Measures the platform from outside.
#[derive(Parser)]
#[command(name = "warikan-loadtests", version, about)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) scenario: Scenario,
}

#[derive(Subcommand)]
pub(crate) enum Scenario {
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
        #[command(flatten)]
        results: Results,
    },
    /// Many clients, on the platform's own cores.
    VerifyThroughput {
        #[command(flatten)]
        under: Under,
        /// Verifications that are measured.
        #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        count: u32,
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
    /// Challenge and verification with authentication certificates, over and over.
    Login {
        #[command(flatten)]
        under: Under,
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=3_600))]
        seconds: u32,
    },
    /// The same with signature certificates for long: memory must stay as it is.
    Soak {
        #[command(flatten)]
        under: Under,
        #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..=36_000))]
        seconds: u32,
    },
    /// Verifications beside the ingest of a list of millions, and beside a campaign.
    Mixed {
        #[command(flatten)]
        under: Under,
        /// Verifications, in three parts.
        #[arg(long, default_value_t = 60_000, value_parser = clap::value_parser!(u32).range(3..=1_000_000))]
        count: u32,
        /// Entries of the list.
        #[arg(long, default_value_t = 5_000_000, value_parser = clap::value_parser!(u32).range(1..=30_000_000))]
        entries: u32,
    },
    /// Five times as many as can be served (F087).
    Overload {
        #[command(flatten)]
        under: Under,
        /// Verifications that are prepared: 36 seconds of the capacity are needed.
        #[arg(long, default_value_t = 150_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        count: u32,
    },
    /// What each part of a verification costs by itself, on SQLite.
    Floors {
        #[command(flatten)]
        under: Under,
        /// Verifications whose rows are written again.
        #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1_000..=1_000_000))]
        count: u32,
    },
    /// Verifications before and after ten million stored ones.
    Growth {
        #[command(flatten)]
        under: Under,
        /// Verifications that are measured, half of them on either side.
        #[arg(long, default_value_t = 40_000, value_parser = clap::value_parser!(u32).range(20..=1_000_000))]
        count: u32,
        /// Stored ones.
        #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
        rows: u64,
    },
    /// Verifications while millions of rows that have served their time are removed.
    Retention {
        #[command(flatten)]
        under: Under,
        /// Verifications that are measured, half of them meanwhile.
        #[arg(long, default_value_t = 40_000, value_parser = clap::value_parser!(u32).range(20..=1_000_000))]
        count: u32,
        /// Old answers, and as many challenges.
        #[arg(long, default_value_t = 3_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
        rows: u64,
    },
    /// A tenant within its quota, alone and while another sends many times its own.
    Flood(Flood),
    /// Refusals at the token endpoint, of clients that exist and of clients that do not.
    Refusals(Refusals),
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
    /// From the start of the process to its readiness.
    Startup {
        /// The `warikan` binary.
        #[arg(long)]
        bin: PathBuf,
        /// Verifications between the first start and the second.
        #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        count: u32,
        /// Runs, each in a new data directory.
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
        repeat: u32,
    },
    /// The newest figures of a results file as a table and a picture.
    Picture {
        /// What `--results` wrote.
        results: PathBuf,
        /// Markdown.
        #[arg(long)]
        table: PathBuf,
        /// SVG.
        #[arg(long)]
        picture: PathBuf,
    },
}

/// Where figures are kept.
#[derive(Args)]
pub(crate) struct Results {
    /// Figures and budgets are appended here, a JSON object a line.
    #[arg(long)]
    results: Option<PathBuf>,
    /// What the platform runs on, for the table.
    #[arg(long, default_value = "sqlite")]
    shape: String,
}

impl Results {
    pub(crate) fn report(self) -> Report {
        Report::new(self.shape, self.results)
    }
}

/// What a scenario with many clients runs on.
#[derive(Args)]
pub(crate) struct Under {
    /// The `warikan` binary.
    #[arg(long)]
    bin: PathBuf,
    /// Start it as a gateway and six services, with this RabbitMQ vhost between them (`amqp://..`, empty).
    #[arg(long)]
    split: Option<String>,
    /// Clients at once, each with one request under way.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    clients: u32,
    /// Tenants, in turn.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=100))]
    tenants: u32,
    /// Citizens whose certificates come to each tenant, in turn. As many as verifications a tenant: all are new to it.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    citizens: u32,
    #[command(flatten)]
    results: Results,
}

impl Under {
    /// Place, work and report; `count` is 0 where a scenario has no fixed number.
    pub(crate) fn parts(self, count: u32) -> (Place, Work, Report) {
        let place = match self.split {
            None => Place::Binary(self.bin),
            Some(broker) => Place::Split {
                binary: self.bin,
                broker,
            },
        };
        let work = Work {
            count: count as usize,
            clients: self.clients as usize,
            tenants: self.tenants as usize,
            citizens: self.citizens as usize,
            watch: false,
        };
        (place, work, self.results.report())
    }
}

/// A binary to start, or a platform that runs.
#[derive(Args)]
pub(crate) struct Where {
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
    pub(crate) fn place(self) -> anyhow::Result<Place> {
        match (self.bin, self.url, self.operator_credential) {
            (Some(binary), None, _) => Ok(Place::Binary(binary)),
            (None, Some(url), Some(credential)) => Ok(Place::Running { url, credential }),
            _ => anyhow::bail!("give --bin, or --url with --operator-credential"),
        }
    }
}

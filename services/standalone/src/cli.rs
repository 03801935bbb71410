//! The command line.

use std::{
    io::{BufReader, Write, stdin, stdout},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context;
use clap::{Parser, Subcommand};
use warikan_runtime::{Keys, init_telemetry, init_with_traces, load_config};
use warikan_types::{Clock, Entropy};

use crate::{
    audit_command, bus_command, campaign_command,
    compose::{self, Role},
    config::Config,
    demo, doctor, document, invoice_command, listen, operator_command, pki_command, rewrap_command,
    serve, topology,
};

/// What is logged unless `WARIKAN_LOG` says otherwise: our own words, without the libraries' at every start and the list by list
/// progress of a sync.
const LOG_FILTER: &str =
    "info,sea_orm_migration=warn,actix_server=warn,warikan_revocation::accept_list=warn";

/// Variables of this program that are no settings of the server.
const NO_SETTINGS: [&str; 8] = [
    "WARIKAN_ROLE",
    "WARIKAN_LOG",
    "WARIKAN_CONFIG_FILE",
    "WARIKAN_SUITES",
    "WARIKAN_API",
    "WARIKAN_CLIENT_ID",
    "WARIKAN_CLIENT_SECRET",
    "WARIKAN_LISTEN_SECRET",
];

/// Platform operator's system for Japan's public personal authentication (JPKI).
#[derive(Parser)]
#[command(name = "warikan", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve everything: one process, SQLite, nothing else needed. Or, with a role, one part of it.
    Serve {
        /// What this process is.
        #[arg(long, env = "WARIKAN_ROLE", default_value = "all")]
        role: Role,
        /// Its settings.
        #[command(flatten)]
        options: Options,
    },
    /// Print which service is where, and which paths it serves.
    Topology(Options),
    /// Print a new key file, for processes that are to share it.
    Keys,
    /// Print a new first credential for the operator, for a secret store (`operator_credential_file`).
    OperatorCredential,
    /// Walk through the whole mission, and show each step: on free ports in a temporary directory, or against a platform that runs.
    Demo {
        /// `http(s)://host:port` of a platform with its sandbox. Two tenants remain there; the sandbox's clock is moved by a day.
        #[arg(long, requires = "operator_credential")]
        against: Option<String>,
        /// The operator's credential, as onboarding wrote it.
        #[arg(long, requires = "against")]
        operator_credential: Option<PathBuf>,
    },
    /// Bring the databases' schemas up to date and stop.
    Migrate(Options),
    /// Wrap the tenants' data keys under the wrapping key in force: after a new one was put first into the key file, or put one there.
    Rewrap {
        /// Make a new wrapping key and put it first into the key file. Other machines that share the keys need that file before.
        #[arg(long)]
        new_key: bool,
        /// Take the older wrapping keys out of the key file, when all data keys are under the one in force: backups whose data keys are
        /// under an older one cannot be read any more, and neither can what they hold of erased persons and closed tenants.
        #[arg(long, conflicts_with = "new_key")]
        forget_older: bool,
        /// Where the keys and databases are.
        #[command(flatten)]
        options: Options,
    },
    /// Print the public OpenAPI document.
    Openapi,
    /// Say what is wrong with this installation, and what to do. Exits with 0 where nothing is.
    Doctor {
        /// Look at what a process of this role needs.
        #[arg(long, env = "WARIKAN_ROLE", default_value = "all")]
        role: Role,
        /// One JSON object: `sound`, and `findings` with `level`, `about`, `found`, `advice`.
        #[arg(long)]
        json: bool,
        /// Where everything is.
        #[command(flatten)]
        options: Options,
    },
    /// Post a tenant's events to a URL on this machine, signed as webhooks are.
    Listen(listen::ListenOptions),
    /// Decide PKI questions: JSON objects on standard input, one a line, an answer a line.
    Pki,
    /// Messages that consumers could not take: list them, have them delivered again.
    Bus {
        /// What to do.
        #[command(subcommand)]
        command: bus_command::BusCommand,
        /// Where the databases are.
        #[command(flatten)]
        options: Options,
    },
    /// Work on invoices without a server.
    #[command(subcommand)]
    Invoice(invoice_command::InvoiceCommand),
    /// Check what proves a campaign, without a server.
    #[command(subcommand)]
    Campaign(campaign_command::CampaignCommand),
    /// Check the audit trail, beside a running server or without one.
    #[command(subcommand)]
    Audit(audit_command::AuditCommand),
    /// What the operator does on the machine, because no credential can.
    #[command(subcommand)]
    Operator(operator_command::OperatorCommand),
}

/// Settings of a command that works on an installation.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A TOML file. `WARIKAN_SECTION__KEY` variables lie over it, options over those.
    #[arg(long, env = "WARIKAN_CONFIG_FILE")]
    config: Option<PathBuf>,
    /// Where databases, keys and the operator's first credential lie.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Where to listen.
    #[arg(long)]
    listen: Option<String>,
}

impl Options {
    /// The configuration: the file, variables over it, these options over those.
    pub(crate) fn load(self) -> Result<Config, warikan_runtime::ConfigError> {
        let environment =
            std::env::vars().filter(|(name, _)| !NO_SETTINGS.contains(&name.as_str()));
        let mut config: Config = load_config(self.config.as_deref(), "WARIKAN", environment)?;
        if let Some(data_dir) = self.data_dir {
            config.data_dir = data_dir;
        }
        if let Some(listen) = self.listen {
            config.listen = Some(listen);
        }
        Ok(config)
    }
}

/// Runs the command line; the exit code is 0 only where everything went well.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Command::Pki = arguments.command {
        // Nothing but the engine: no runtime, no configuration, no files.
        return match pki_command::run(BufReader::new(stdin().lock()), stdout().lock()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error.into()),
        };
    }
    on_runtime(run(arguments.command))
}

/// Runs a command to its end; `false` is an exit code that is not 0.
pub(crate) fn on_runtime(command: impl Future<Output = anyhow::Result<bool>>) -> ExitCode {
    small_pages();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    match runtime.block_on(command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => fail(&error),
    }
}

/// No huge pages: the allocator gives pages back and takes them again many times a second, and the kernel fills each with zeros. In pages of
/// 2 MiB that was a tenth of all work under load, and a quarter of the memory.
fn small_pages() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "huge pages stay");
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    let mut out = std::io::stderr().lock();
    // Standard error may be closed; then nobody listens.
    let _ = writeln!(out, "warikan: {error:#}");
    ExitCode::FAILURE
}

/// Serves with logs and traces.
pub(crate) async fn serve(
    config: &Config,
    role: Role,
    out: &mut impl Write,
) -> Result<(), compose::ComposeError> {
    let collector = config.ops.otlp_traces.as_deref();
    let name = format!("warikan-{role}");
    let _telemetry = init_with_traces(LOG_FILTER, config.json_logs, collector, &name);
    Box::pin(serve::run(config, role, out)).await
}

async fn run(command: Command) -> anyhow::Result<bool> {
    let mut out = stdout();
    match command {
        Command::Serve { role, options } => {
            let config = options.load()?;
            serve(&config, role, &mut out).await?;
        }
        Command::Migrate(options) => migrate(&options.load()?, &mut out).await?,
        Command::Doctor {
            role,
            json,
            options,
        } => {
            let report = match options.load() {
                Ok(config) => doctor::examine(&config, role, &Clock::system()).await,
                Err(error) => doctor::unreadable(&error),
            };
            report.write(json, &mut out)?;
            return Ok(report.sound());
        }
        Command::Bus { command, options } => {
            let config = options.load()?;
            init_telemetry("warn", config.json_logs);
            return bus_command::run(&config, &command, &mut out).await;
        }
        Command::Rewrap {
            new_key,
            forget_older,
            options,
        } => {
            let config = options.load()?;
            init_telemetry("warn", config.json_logs);
            rewrap_command::run(&config, new_key, forget_older, &mut out).await?;
        }
        Command::Topology(options) => topology::print(&options.load()?, &mut out)?,
        Command::Keys => writeln!(out, "{}", Keys::generate(&Entropy::system()))?,
        Command::OperatorCredential => {
            let (clock, entropy) = (Clock::system(), Entropy::system());
            writeln!(
                out,
                "{}",
                warikan_onboarding::new_credential(&entropy, clock.now())
            )?;
        }
        Command::Demo {
            against,
            operator_credential,
        } => {
            init_telemetry("error", false);
            return match against.zip(operator_credential) {
                Some((url, file)) => demo::against(&url, file, Clock::system(), &mut out).await,
                None => demo::run(&mut out).await,
            };
        }
        Command::Openapi => {
            init_telemetry("error", false);
            out.write_all(document::openapi().await?.as_bytes())?;
        }
        Command::Listen(options) => {
            init_telemetry("warn", false);
            let (clock, entropy) = (Clock::system(), Entropy::system());
            listen::run(options, clock, &entropy, &mut out).await?;
        }
        Command::Invoice(invoice_command::InvoiceCommand::Verify { export }) => {
            return verify_invoice(&export, &mut out);
        }
        Command::Campaign(command) => return campaign_command::run(&command, &mut out),
        Command::Audit(command) => {
            init_telemetry("warn", false);
            return audit_command::run(command, &mut out).await;
        }
        Command::Operator(command) => {
            init_telemetry("warn", false);
            operator_command::run(command, &mut out).await?;
        }
        Command::Pki => {}
    }
    Ok(true)
}

async fn migrate(config: &Config, out: &mut impl Write) -> anyhow::Result<()> {
    init_telemetry(LOG_FILTER, config.json_logs);
    let mut done = Vec::new();
    let outcome = Box::pin(compose::migrate(config, |service| done.push(service))).await;
    for service in done {
        writeln!(out, "{service}: up to date")?;
    }
    Ok(outcome?)
}

/// An export from a file, or from standard input (`-`).
fn verify_invoice(export: &std::path::Path, out: &mut impl Write) -> anyhow::Result<bool> {
    if export.as_os_str() == "-" {
        return invoice_command::verify(stdin().lock(), out);
    }
    let file =
        std::fs::File::open(export).with_context(|| format!("cannot open {}", export.display()))?;
    invoice_command::verify(BufReader::new(file), out)
}

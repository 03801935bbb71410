//! `warikan audit verify`: judges the audit trail, where it lies or as it was exported.

use std::{
    fs::File,
    io::{BufReader, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use warikan_onboarding::{Verified, verify_export, verify_stored};
use warikan_runtime::Keys;
use warikan_types::Entropy;

use crate::{cli::Options, compose::Role};

/// What to do with the audit trail.
#[derive(clap::Subcommand)]
pub(crate) enum AuditCommand {
    /// Find records that were changed, removed or moved, and tails that were cut off. Exits with 1 where there are any.
    Verify {
        /// An export (`GET /v1/operator/audit/export`, `GET /v1/audit/export`) instead of this installation's database.
        #[arg(long, requires = "keys")]
        export: Option<PathBuf>,
        /// The platform's public keys: what `/.well-known/jwks.json` answers. Without it, those of this installation.
        #[arg(long)]
        keys: Option<PathBuf>,
        /// Heads that were kept elsewhere: what `GET /v1/operator/audit/heads` answered at some time.
        #[arg(long)]
        heads: Option<PathBuf>,
        /// Where the database and the keys are.
        #[command(flatten)]
        options: Options,
    },
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot open {}", path.display()))
}

/// Judges; false where something is not as it was written.
///
/// # Errors
/// A file or the database cannot be read.
pub(crate) async fn run(command: AuditCommand, mut out: impl Write) -> anyhow::Result<bool> {
    let AuditCommand::Verify {
        export,
        keys,
        heads,
        options,
    } = command;
    let heads = heads.as_deref().map(read).transpose()?;
    let verified = match (export, keys) {
        (Some(export), Some(keys)) => {
            let file =
                File::open(&export).with_context(|| format!("cannot open {}", export.display()))?;
            verify_export(BufReader::new(file), &read(&keys)?, heads.as_deref())?
        }
        (_, keys) => stored(keys.as_deref(), heads.as_deref(), options).await?,
    };
    for finding in &verified.findings {
        writeln!(out, "{}: {}", finding.chain, finding.what)?;
    }
    let verdict = match verified.findings.len() {
        0 => "as they were written".to_owned(),
        1 => "1 finding".to_owned(),
        findings => format!("{findings} findings"),
    };
    let (records, chains) = (verified.records, verified.chains);
    writeln!(out, "{records} records in {chains} chains: {verdict}")?;
    Ok(verified.findings.is_empty())
}

async fn stored(
    keys: Option<&Path>,
    heads: Option<&[u8]>,
    options: Options,
) -> anyhow::Result<Verified> {
    let config = options.load()?;
    let keys = match keys {
        Some(path) => read(path)?,
        None => {
            let own = || config.data_dir.join("keys.json");
            let path = config.keys_file.clone().unwrap_or_else(own);
            let keys = Keys::load(&path, &Entropy::system())?;
            serde_json::to_vec(&keys.jwks())?
        }
    };
    let databases = config.database.databases(&config.data_dir)?;
    let service = Role::Onboarding.name();
    let db = databases.existing(service).await?;
    let db =
        db.context("there is no database of onboarding here; name it by --data-dir or --config")?;
    let verified = verify_stored(&db, &keys, heads).await?;
    db.close().await?;
    Ok(verified)
}

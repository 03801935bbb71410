//! `warikan campaign verify`: judges a campaign's receipt, and what it is said to cover, on any machine.

use std::{
    fs::File,
    io::{BufReader, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use warikan_revocation::{CampaignProblem, verify_campaign};

/// What to do with campaigns.
#[derive(clap::Subcommand)]
pub enum CampaignCommand {
    /// Check a receipt's signature, and that results or a proof belong to it.
    Verify {
        /// The platform's public keys: what `/.well-known/jwks.json` answers.
        #[arg(long)]
        keys: PathBuf,
        /// The member `receipt` of the campaign.
        #[arg(long)]
        receipt: PathBuf,
        /// All results: what `GET /v1/campaigns/{id}/results` answers.
        #[arg(long)]
        results: Option<PathBuf>,
        /// One result's proof: what `GET /v1/campaigns/{id}/proofs/{handle}` answers.
        #[arg(long)]
        proof: Option<PathBuf>,
    },
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot open {}", path.display()))
}

/// Judges; false where something is not as it should be.
///
/// # Errors
/// A file cannot be read.
pub fn run(command: &CampaignCommand, mut out: impl Write) -> anyhow::Result<bool> {
    let CampaignCommand::Verify {
        keys,
        receipt,
        results,
        proof,
    } = command;
    let (keys, receipt) = (read(keys)?, read(receipt)?);
    let judged = verify_campaign(&String::from_utf8_lossy(&receipt), &keys);
    let verified = match judged {
        Ok(verified) => verified,
        Err(problem) => return refuse(&problem, out),
    };
    let (counts, version) = (verified.counts, &verified.status_version);
    writeln!(
        out,
        "{}: {} certificates checked against {version}",
        verified.campaign, counts.checked
    )?;
    writeln!(
        out,
        "{} good, {} revoked, {} expired, {} unknown",
        counts.good, counts.revoked, counts.expired, counts.unknown
    )?;
    if let Some(path) = results {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        if let Err(problem) = verified.check_results(BufReader::new(file)) {
            return refuse(&problem, out);
        }
        writeln!(out, "all results recomputed, no difference")?;
    }
    if let Some(path) = proof {
        match verified.check_proof(&read(path)?) {
            Ok(entry) => writeln!(out, "among them: {entry}")?,
            Err(problem) => return refuse(&problem, out),
        }
    }
    Ok(true)
}

fn refuse(problem: &CampaignProblem, mut out: impl Write) -> anyhow::Result<bool> {
    writeln!(out, "not believed: {problem}")?;
    Ok(false)
}

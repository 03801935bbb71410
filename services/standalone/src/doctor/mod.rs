//! `warikan doctor`: what is wrong with this installation, in words that say what to do.
//!
//! It looks at everything that `serve` needs, beside running processes or without them, and changes nothing. A finding is *good*, a *note*
//! (nothing is wrong, and an operator should know it) or *wrong*; the exit code is 0 where nothing is wrong. Findings name places and
//! numbers, never a secret and nothing of a person.

mod broker;
mod databases;
mod files;
mod servers;

use std::io::Write;

use serde::Serialize;
use warikan_types::{Clock, Environment};

use crate::{anchors, compose::Role, config::Config};

/// How a finding is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Good,
    /// Nothing is wrong, and an operator should know it.
    Note,
    /// To be mended.
    Wrong,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How it is meant.
    pub level: Level,
    /// What was looked at.
    pub about: String,
    /// What was found.
    pub found: String,
    /// What to do, where there is something to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// What was found so far.
#[derive(Debug, Default)]
pub struct Report {
    findings: Vec<Finding>,
}

impl Report {
    fn add(&mut self, level: Level, about: &str, found: impl Into<String>, advice: Option<&str>) {
        self.findings.push(Finding {
            level,
            about: about.to_owned(),
            found: found.into(),
            advice: advice.map(str::to_owned),
        });
    }

    fn good(&mut self, about: &str, found: impl Into<String>) {
        self.add(Level::Good, about, found, None);
    }

    fn note(&mut self, about: &str, found: impl Into<String>, advice: &str) {
        self.add(Level::Note, about, found, Some(advice));
    }

    fn wrong(&mut self, about: &str, found: impl Into<String>, advice: &str) {
        self.add(Level::Wrong, about, found, Some(advice));
    }

    /// Everything that was looked at, in that order.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn sound(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.level != Level::Wrong)
    }

    /// Writes it: a line a finding, with what to do below it; or one JSON object.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, json: bool, out: &mut impl Write) -> std::io::Result<()> {
        if json {
            let report = serde_json::json!({ "sound": self.sound(), "findings": self.findings });
            return writeln!(out, "{report:#}");
        }
        for finding in &self.findings {
            let level = match finding.level {
                Level::Good => "good ",
                Level::Note => "note ",
                Level::Wrong => "WRONG",
            };
            writeln!(out, "{level}  {}: {}", finding.about, finding.found)?;
            if let Some(advice) = &finding.advice {
                writeln!(out, "       -> {advice}")?;
            }
        }
        Ok(())
    }
}

/// Looks at what a process of this role needs; [`Role::All`] at everything.
pub async fn examine(config: &Config, role: Role, clock: &Clock) -> Report {
    let mut report = Report::default();
    report.good("configuration", "read, and every key is known");
    report.files(config, role);
    report.clock(clock);
    if role != Role::Gateway {
        report.lists_configured(config, role);
        report.databases(config, role, clock).await;
        report.broker(config, role).await;
    }
    if matches!(role, Role::All | Role::Gateway) {
        report.redis(config).await;
    }
    report.server(config, role).await;
    if role == Role::Gateway {
        report.services(config).await;
    }
    report
}

/// The report on a configuration that cannot be read.
#[must_use]
pub fn unreadable(error: &warikan_runtime::ConfigError) -> Report {
    let mut report = Report::default();
    report.wrong(
        "configuration",
        error.to_string(),
        "mend the file or the WARIKAN_ variable that it names; a key that this version does not know stops every start",
    );
    report
}

impl Report {
    fn lists_configured(&mut self, config: &Config, role: Role) {
        if !matches!(role, Role::All | Role::Verification | Role::Revocation) {
            return;
        }
        match anchors::load(config.production.anchors.as_deref(), []) {
            Ok(set) => self.good(
                "trust anchors",
                format!("{} roots, each self-signed and of its environment", set.iter().count()),
            ),
            Err(error) => self.wrong(
                "trust anchors",
                error.to_string(),
                "put J-LIS' roots, as DER and nothing else, into the directory that production.anchors names",
            ),
        }
        let sources = &config.revocation.sources;
        let production =
            |source: &warikan_revocation::Source| source.environment == Environment::Production;
        if sources.iter().any(production) {
            self.good("production lists", "a source is configured");
        } else {
            self.note(
                "production lists",
                "no source is configured: production verifications will answer status_unavailable",
                "set revocation.sources",
            );
        }
    }

    /// A clock far off is the commonest reason for verdicts that nobody understands. PostgreSQL's is compared with the databases.
    fn clock(&mut self, clock: &Clock) {
        let now = clock.now();
        let built: Option<warikan_types::Timestamp> = "2026-11-01T00:00:00Z".parse().ok();
        match built {
            Some(built) if now < built => self.wrong(
                "clock",
                format!("the machine says {now}, which is before this program was made"),
                "set the clock, and have it kept by NTP; verdicts are decided by it",
            ),
            _ => self.good("clock", now.to_string()),
        }
    }
}

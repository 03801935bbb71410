//! Each service's database: reachable, of this program's schema, behind its walls, by our clock; and what waits in it.

use std::time::Duration;

use warikan_messaging::{Backlog, backlog};
use warikan_runtime::{DatabaseKind, Databases, Inspection, OpenError, Session};
use warikan_types::{Clock, Environment};

use super::{Level, Report};
use crate::{anchors, compose::Role, config::Config};

/// More than this between our clock and the database's, and none of the two can be believed (F055).
const SKEW_MILLIS: i64 = 2_000;
/// A relay tells facts at once, and tries again after a minute at most.
const RELAYED_WITHIN: Duration = Duration::from_secs(120);

const MIGRATE: &str = "run `warikan migrate` with database.owner_url";

impl Report {
    pub(super) async fn databases(&mut self, config: &Config, role: Role, clock: &Clock) {
        let databases = match config.database.databases(&config.data_dir) {
            Ok(databases) => databases,
            Err(error) => {
                return self.wrong("database", error.to_string(), "mend the section [database]");
            }
        };
        self.owner(config);
        self.transport(config);
        for service in Role::SERVICES {
            if (role != Role::All && role != service) || !service.is_wanted(config) {
                continue;
            }
            let about = format!("database of {service}");
            match inspect(service, &databases, clock).await {
                Err(error) => self.wrong(&about, chain(&error), reach(config)),
                Ok(None) => self.add(Level::Note, &about, "none yet; serve makes it", None),
                Ok(Some(found)) => {
                    self.database(&about, &found);
                    if found.missing.is_empty() && found.damage.is_none() {
                        self.waiting(service, &found, clock).await;
                    }
                    if service == Role::Revocation && found.missing.is_empty() {
                        self.lists(config, &found, clock).await;
                    }
                    // Only looked at: how it closes is of no consequence.
                    let _ = found.db.close().await;
                }
            }
        }
    }

    fn owner(&mut self, config: &Config) {
        if config.database.kind == DatabaseKind::Postgres && config.database.owner_url.is_some() {
            self.note(
                "database.owner_url",
                "is set: whoever has this configuration may take every wall between tenants down",
                "give it to `warikan migrate` alone, and to no process that serves",
            );
        }
    }

    /// Without `verify-ca` or `verify-full` whoever stands between may be the server.
    fn transport(&mut self, config: &Config) {
        let Some(url) = &config.database.url else {
            return;
        };
        if config.database.kind != DatabaseKind::Postgres {
            return;
        }
        let verified = ["sslmode=verify-full", "sslmode=verify-ca"];
        if verified.iter().any(|mode| url.contains(mode)) {
            self.good(
                "connection to PostgreSQL",
                "the server's certificate is verified",
            );
        } else {
            self.note(
                "connection to PostgreSQL",
                "the server's certificate is not verified",
                "unless the network between is your own, set sslmode=verify-full and sslrootcert in database.url",
            );
        }
    }

    fn database(&mut self, about: &str, found: &Inspection) {
        let mut sound = true;
        let mut wrong = |report: &mut Self, words: String, advice: &str| {
            report.wrong(about, words, advice);
            sound = false;
        };
        if let Some(damage) = &found.damage {
            let advice =
                "stop, keep a copy of the file with those beside it, and restore the last backup";
            wrong(self, format!("is damaged: {damage}"), advice);
        }
        if !found.missing.is_empty() {
            let words = format!("lacks migrations: {}", found.missing.join(", "));
            wrong(self, words, MIGRATE);
        }
        if !found.unprotected.is_empty() {
            let words = format!(
                "tables without row-level security: {}",
                found.unprotected.join(", ")
            );
            wrong(self, words, MIGRATE);
        }
        for session in &found.sessions {
            for (words, advice) in walls(session) {
                wrong(self, words, advice);
            }
        }
        let skew = found
            .sessions
            .iter()
            .map(|session| session.ahead_millis)
            .min_by_key(|ahead| ahead.abs());
        if let Some(ahead) = skew.filter(|ahead| ahead.abs() > SKEW_MILLIS) {
            let words = format!("its clock is {ahead} ms ahead of this machine's");
            wrong(
                self,
                words,
                "keep both by NTP: leases, expiries and verdicts go by the clock",
            );
        }
        if sound {
            self.good(
                about,
                "reachable, of this program's schema, behind its walls",
            );
        }
    }

    async fn waiting(&mut self, service: Role, found: &Inspection, clock: &Clock) {
        let about = format!("facts of {service}");
        let state = match backlog(&found.db).await {
            Ok(state) => state,
            Err(error) => return self.wrong(&about, error.to_string(), MIGRATE),
        };
        self.parked(service, state);
        let now = clock.now();
        let last = match state.last_sent {
            Some(at) => format!("the last was relayed {} s ago", now.since(at).as_secs()),
            None => "none was relayed in the last week".to_owned(),
        };
        let since = state.oldest.map(|oldest| now.since(oldest));
        match since.filter(|since| *since > RELAYED_WITHIN) {
            Some(since) => self.wrong(
                &about,
                format!("{} wait, the oldest for {} s; {last}", state.waiting, since.as_secs()),
                "see that the service runs, that it has the broker, and that the broker takes messages; nothing is lost meanwhile",
            ),
            None => self.good(&about, format!("{} wait; {last}", state.waiting)),
        }
    }

    fn parked(&mut self, service: Role, state: Backlog) {
        if state.parked > 0 {
            self.wrong(
                &format!("parked messages of {service}"),
                format!("{} could not be taken", state.parked),
                "`warikan bus parked` tells why; mend that, then `warikan bus replay`",
            );
        }
    }

    async fn lists(&mut self, config: &Config, found: &Inspection, clock: &Clock) {
        let Ok(anchors) = anchors::load(config.production.anchors.as_deref(), []) else {
            return;
        };
        let now = clock.now();
        let known = match warikan_revocation::known_lists(&found.db, &anchors, now).await {
            Ok(known) => known,
            Err(error) => return self.wrong("revocation lists", error.to_string(), MIGRATE),
        };
        for source in &config.revocation.sources {
            let environment = source.environment;
            if known.iter().all(|one| one.environment != environment) {
                self.wrong(
                    &format!("revocation lists of {}", environment.as_str()),
                    "a source is configured, and no list was ever accepted",
                    "see the log of revocation: the source does not answer, or a pinned root has not signed what it gives",
                );
            }
        }
        for one in known {
            let about = format!("revocation lists of {}", one.environment.as_str());
            let age = now.since(one.oldest).as_secs();
            let words = format!("{} in force, the oldest {age} s old", one.lists);
            if one.stale == 0 {
                self.good(&about, words);
            } else {
                // The sandbox's clock can be moved, and this one is the machine's.
                let level = match one.environment {
                    Environment::Production => Level::Wrong,
                    Environment::Sandbox => Level::Note,
                };
                let words = format!("{words}; {} past their nextUpdate", one.stale);
                let advice =
                    "their certificates get status_stale; see why the source gives no newer ones";
                self.add(level, &about, words, Some(advice));
            }
        }
    }
}

/// What is wrong with a role that serves.
fn walls(session: &Session) -> Vec<(String, &'static str)> {
    let mut wrong = Vec::new();
    let role = &session.role;
    if session.above_policies {
        wrong.push((
            format!("the role {role} stands above row-level security"),
            "take SUPERUSER and BYPASSRLS from it",
        ));
    }
    if session.owns > 0 {
        wrong.push((
            format!(
                "the role {role} owns {} tables, and may take their walls down",
                session.owns
            ),
            "let a role own them that no process has at run time (database.owner_url), and migrate",
        ));
    }
    if !session.looks_into.is_empty() {
        wrong.push((
            format!(
                "the role {role} may look into {}",
                session.looks_into.join(", ")
            ),
            "revoke USAGE on the other services' schemas from it",
        ));
    }
    if !session.durable {
        wrong.push((
            "the server has fsync off: a power cut loses what was acknowledged".to_owned(),
            "turn fsync on",
        ));
    }
    wrong
}

const fn reach(config: &Config) -> &'static str {
    match config.database.kind {
        DatabaseKind::Sqlite => "see that the file is this user's to read and write, and whole",
        DatabaseKind::Postgres => {
            "see that PostgreSQL runs at database.url, lets this address in (pg_hba.conf), and knows the service's roles and passwords"
        }
    }
}

/// The error with what lies under it; none of them repeats an address or a password.
fn chain(error: &OpenError) -> String {
    let mut words = error.to_string();
    let mut under = std::error::Error::source(error);
    while let Some(error) = under {
        words.push_str(": ");
        words.push_str(&error.to_string());
        under = error.source();
    }
    words
}

async fn inspect(
    service: Role,
    databases: &Databases,
    clock: &Clock,
) -> Result<Option<Inspection>, OpenError> {
    match service {
        Role::All | Role::Gateway => Ok(None),
        Role::Onboarding => warikan_onboarding::Onboarding::inspect(databases, clock).await,
        Role::Verification => warikan_verification::Verification::inspect(databases, clock).await,
        Role::Revocation => warikan_revocation::Revocation::inspect(databases, clock).await,
        Role::Webhooks => warikan_webhooks::Webhooks::inspect(databases, clock).await,
        Role::Billing => warikan_billing::Billing::inspect(databases, clock).await,
        Role::Sandbox => warikan_sandbox::Sandbox::inspect(databases, clock).await,
    }
}

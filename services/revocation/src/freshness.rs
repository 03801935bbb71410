//! How old what we know is.

use std::sync::atomic::Ordering;

use serde::Serialize;
use utoipa::ToSchema;
use warikan_contracts::facts::Channel;
use warikan_runtime::metrics;
use warikan_types::{Environment, Timestamp};

use crate::{Revocation, store::issuer_of};

/// How fresh what the platform knows is: for everybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct StatusFreshness {
    /// Production and the sandbox.
    environments: Vec<EnvironmentFreshness>,
}

/// An environment's sources that hold knowledge. OCSP is asked live and holds none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct EnvironmentFreshness {
    /// Which.
    environment: Environment,
    /// The moment that `age_seconds` and `stale_lists` are of, by the environment's clock.
    as_of: Timestamp,
    /// What is known by each channel.
    channels: Vec<ChannelFreshness>,
}

/// How a channel stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FreshnessState {
    /// Every list is in force.
    Fresh,
    /// Some are past their nextUpdate.
    Stale,
    /// There is none.
    Unavailable,
}

/// A channel's knowledge, in sum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ChannelFreshness {
    /// Which.
    channel: Channel,
    /// How it stands.
    state: FreshnessState,
    /// Lists in force.
    lists: u64,
    /// Lists past their nextUpdate: they say *good* of no certificate any more.
    stale_lists: u64,
    /// thisUpdate of the oldest list.
    oldest_this_update: Option<Timestamp>,
    /// thisUpdate of the newest list.
    newest_this_update: Option<Timestamp>,
    /// The earliest nextUpdate.
    next_update: Option<Timestamp>,
    /// Seconds since the oldest thisUpdate.
    age_seconds: Option<u64>,
    /// Names all lists together as they stand: what a campaign begun now has as its `status_version`.
    status_version: Option<String>,
}

/// The freshness of an environment's revocation lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Freshness {
    /// Which environment.
    pub(crate) environment: Environment,
    /// Lists in force.
    pub(crate) lists: u64,
    /// Lists past their nextUpdate: they say *good* of no certificate any more.
    pub(crate) stale_lists: u64,
    /// thisUpdate of the oldest list.
    pub(crate) oldest_this_update: Option<Timestamp>,
    /// thisUpdate of the newest list.
    pub(crate) newest_this_update: Option<Timestamp>,
    /// The earliest nextUpdate.
    pub(crate) next_update: Option<Timestamp>,
    /// Seconds since the oldest thisUpdate.
    pub(crate) age_seconds: Option<u64>,
}

impl Freshness {
    /// For an operator: `sandbox: 8 lists, the oldest 3600 s old, 1 stale`.
    fn in_words(&self) -> String {
        let age = self.age_seconds.unwrap_or(0);
        let mut words = format!(
            "{}: {} lists, the oldest {age} s old",
            self.environment.as_str(),
            self.lists
        );
        if self.stale_lists > 0 {
            words.push_str(&format!(
                ", {} stale: their certificates get status_stale",
                self.stale_lists
            ));
        }
        words
    }
}

impl Revocation {
    /// What everybody may know: sums over all lists, and a name that says nothing of what is in them.
    pub(crate) fn status_freshness(&self) -> StatusFreshness {
        let environments = [Environment::Production, Environment::Sandbox];
        StatusFreshness {
            environments: environments
                .into_iter()
                .map(|environment| EnvironmentFreshness {
                    environment,
                    as_of: self.time_of(environment),
                    channels: vec![self.list_freshness(environment)],
                })
                .collect(),
        }
    }

    fn list_freshness(&self, environment: Environment) -> ChannelFreshness {
        let sum = self.freshness(environment);
        let state = match (sum.lists, sum.stale_lists) {
            (0, _) => FreshnessState::Unavailable,
            (_, 0) => FreshnessState::Fresh,
            _ => FreshnessState::Stale,
        };
        ChannelFreshness {
            channel: Channel::Crl,
            state,
            lists: sum.lists,
            stale_lists: sum.stale_lists,
            oldest_this_update: sum.oldest_this_update,
            newest_this_update: sum.newest_this_update,
            next_update: sum.next_update,
            age_seconds: sum.age_seconds,
            status_version: (sum.lists > 0).then(|| self.0.names.of(&self.0.status, environment)),
        }
    }

    /// The freshness of an environment by its own clock. Lists of issuers whose own time is over no longer count.
    pub(crate) fn freshness(&self, environment: Environment) -> Freshness {
        let at = self.time_of(environment);
        let lists: Vec<_> = self
            .0
            .status
            .of(environment)
            .into_iter()
            .filter(|(key, _)| self.is_current(&key.issuer.to_string()))
            .map(|(_, version)| version)
            .collect();
        let oldest = lists.iter().map(|list| list.this_update).min();
        let stale = lists.iter().filter(|list| list.next_update < at).count();
        Freshness {
            environment,
            lists: lists.len() as u64,
            stale_lists: stale as u64,
            oldest_this_update: oldest,
            newest_this_update: lists.iter().map(|list| list.this_update).max(),
            next_update: lists.iter().map(|list| list.next_update).min(),
            age_seconds: oldest.map(|oldest| at.since(oldest).as_secs()),
        }
    }

    /// Whether the issuer with this key (hexadecimal) is pinned and its own certificate still in force.
    pub(crate) fn is_current(&self, issuer: &str) -> bool {
        let anchors = self.0.anchors.current();
        issuer_of(issuer)
            .ok()
            .and_then(|key| anchors.by_key(&key))
            .is_some_and(|anchor| {
                self.time_of(anchor.environment()) <= anchor.certificate().not_after()
            })
    }

    /// Ready once each configured source was looked at whole. The first list of many is not enough: whoever is told "ready" then
    /// would get `status_unavailable` for the others. Lists that have grown stale do not make the process unready: it goes on
    /// answering, truthfully (`status_stale`), and taking it out of service would silence feeds, webhooks and bills as well. The
    /// age is in the note.
    pub(crate) fn ready(&self) -> Result<Option<String>, String> {
        let mut note = Vec::new();
        for source in &self.0.sources {
            let fresh = self.freshness(source.environment);
            let environment = source.environment.as_str();
            metrics::crl(
                environment,
                fresh.age_seconds.unwrap_or(0),
                fresh.stale_lists,
            );
            if fresh.lists == 0 {
                return Err(format!("no revocation list of {environment} yet"));
            }
            if !source.looked.load(Ordering::Acquire) {
                return Err(format!(
                    "the revocation lists of {environment} are being fetched for the first time"
                ));
            }
            note.push(fresh.in_words());
        }
        Ok((!note.is_empty()).then(|| note.join("; ")))
    }
}

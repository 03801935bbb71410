//! Writing down what came of attempts, and what follows for deliveries and endpoints.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use sea_orm::{DatabaseTransaction, DbErr};
use uuid::Uuid;
use warikan_contracts::{Envelope, facts::EndpointDisabled};
use warikan_messaging::Outbox;
use warikan_types::{Environment, Id, TenantScope, Timestamp};

use crate::{
    Webhooks,
    deliver::Outcome,
    entity::{attempt, endpoint, notice},
    schedule::{Verdict, judge, throttle},
    store::{
        deliveries::{FAILED, PENDING},
        notices,
        queue::{self, Standing},
    },
};

/// What outcomes meant for endpoints.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    /// Those with a failed attempt among the outcomes: what they may get next is in their rows.
    pub failed: HashSet<Uuid>,
    /// Whether a fact lies in the outbox.
    pub told: bool,
    /// How long it took until each revocation among them was delivered for the first time.
    pub reached: Vec<(Environment, Duration)>,
}

impl Webhooks {
    /// Records outcomes in the given transaction. For endpoints that were disabled by them a fact lies in the outbox and a notice
    /// before the operator. Outcomes whose delivery was deleted meanwhile are dropped with it.
    pub(crate) async fn record(
        &self,
        txn: &DatabaseTransaction,
        outcomes: &[Outcome],
        now: Timestamp,
    ) -> Result<Recorded, DbErr> {
        if outcomes.is_empty() {
            return Ok(Recorded::default());
        }
        let touched: HashSet<Uuid> = outcomes.iter().map(|one| one.endpoint).collect();
        let endpoints = queue::endpoints(txn, touched).await?;
        let ids: Vec<Uuid> = outcomes.iter().map(|one| one.delivery).collect();
        let standing: HashMap<Uuid, Standing> = queue::standing(txn, &ids)
            .await?
            .into_iter()
            .map(|standing| (standing.id, standing))
            .collect();
        let kept: Vec<(&Outcome, Standing)> = outcomes
            .iter()
            .filter_map(|one| Some((one, *standing.get(&one.delivery)?)))
            .collect();
        queue::record_attempts(txn, kept.iter().map(|(one, _)| attempt_row(one)).collect()).await?;

        let (mut delivered, mut reached) = (Vec::new(), Vec::new());
        for (one, standing) in &kept {
            let tries = standing.attempts - standing.round_start;
            let verdict = judge(
                &self.0.config,
                &self.0.platform.entropy,
                tries,
                &one.ending,
                now,
            );
            // A later attempt has begun (the lease ran out meanwhile): it decides, unless this one arrived.
            if verdict != Verdict::Delivered && standing.attempts != one.number {
                continue;
            }
            match verdict {
                Verdict::Delivered => {
                    delivered.push(one.delivery);
                    reached.extend(standing.published_at.map(|since| {
                        let after = one.at.since(Timestamp::new(since)) + one.duration;
                        (one.to.environment, after)
                    }));
                }
                // Asked for again while it was under way: the new round has not begun yet.
                Verdict::Retry(_) | Verdict::Failed if tries == 0 => {
                    queue::mark_unsuccessful(txn, one.delivery, PENDING, now, None).await?;
                }
                Verdict::Retry(at) => {
                    queue::mark_unsuccessful(txn, one.delivery, PENDING, at, None).await?;
                }
                Verdict::Failed | Verdict::Gone => {
                    queue::mark_unsuccessful(txn, one.delivery, FAILED, now, Some(now)).await?;
                }
            }
        }
        queue::mark_delivered(txn, &delivered, now).await?;
        let judged = self.judge_endpoints(txn, endpoints, &kept, now).await?;
        Ok(Recorded { reached, ..judged })
    }

    /// Keeps the endpoints' health: since when each fails, and whether that is long enough to stop.
    async fn judge_endpoints(
        &self,
        txn: &DatabaseTransaction,
        endpoints: Vec<endpoint::Model>,
        kept: &[(&Outcome, Standing)],
        now: Timestamp,
    ) -> Result<Recorded, DbErr> {
        let failed = kept
            .iter()
            .filter(|(one, _)| !one.ending.succeeded())
            .map(|(one, _)| one.endpoint)
            .collect();
        let patience = Duration::from_secs(self.0.config.disable_after_seconds);
        let mut facts = Vec::new();
        for before in endpoints {
            let mut row = before.clone();
            for (one, _) in kept.iter().filter(|(one, _)| one.endpoint == before.id) {
                self.slow_down(&mut row, one, now);
                take_outcome(&mut row, one, patience, now);
            }
            if row == before {
                continue;
            }
            queue::set_health(txn, &row).await?;
            if before.enabled && !row.enabled {
                facts.extend(self.disabled_fact(&row, now));
                notices::insert(txn, self.notice(&row, now)).await?;
            }
        }
        let told = !facts.is_empty();
        Outbox::append(txn, facts).await?;
        Ok(Recorded {
            failed,
            told,
            reached: Vec::new(),
        })
    }

    /// Leaves an overloaded endpoint alone for a while. Answers to attempts that were under way together count as one.
    fn slow_down(&self, row: &mut endpoint::Model, one: &Outcome, now: Timestamp) {
        let Some(wait) = throttle(&self.0.config, row.throttle_step, &one.ending) else {
            if one.ending.succeeded() {
                row.throttled_until = None;
                row.throttle_step = 0;
            }
            return;
        };
        if row
            .throttled_until
            .is_none_or(|until| until <= one.at.utc())
        {
            row.throttle_step += 1;
        }
        row.throttled_until = row.throttled_until.max(Some(now.plus(wait).utc()));
    }

    fn notice(&self, row: &endpoint::Model, now: Timestamp) -> notice::Model {
        notice::Model {
            id: self
                .0
                .platform
                .entropy
                .id::<warikan_types::Event>(now)
                .uuid(),
            tenant: row.tenant,
            environment: row.environment.clone(),
            endpoint: row.id,
            cause: row.disabled_cause.clone().unwrap_or_default(),
            failing_since: row.failing_since,
            at: now.utc(),
        }
    }

    fn disabled_fact(&self, row: &endpoint::Model, now: Timestamp) -> Option<Envelope> {
        let environment = Environment::from_word(&row.environment)?;
        let scope = TenantScope::of_event(Id::from_uuid(row.tenant), environment);
        let fact = EndpointDisabled {
            endpoint: Id::from_uuid(row.id),
            cause: row.disabled_cause.clone()?,
        };
        tracing::warn!(endpoint = %fact.endpoint, tenant = %scope.tenant(), cause = fact.cause, "endpoint disabled");
        let id = self.0.platform.entropy.id(now);
        let aggregate = fact.endpoint.to_string();
        Some(Envelope::of(id, Some(scope), now, aggregate, &fact))
    }
}

fn attempt_row(one: &Outcome) -> attempt::Model {
    attempt::Model {
        delivery: one.delivery,
        number: one.number,
        at: one.at.utc(),
        status: one.ending.status.map(i32::from),
        error: one.error.map(str::to_owned),
        duration_ms: i64::try_from(one.duration.as_millis()).unwrap_or(i64::MAX),
        url: Some(one.to.url.clone()),
        signature: Some(one.signature.clone()).filter(|text| !text.is_empty()),
        // PostgreSQL's text takes every character but this one.
        answer: one
            .answer
            .as_deref()
            .map(|text| text.replace('\0', "\u{fffd}")),
        answer_cut: one.answer_cut,
    }
}

fn take_outcome(row: &mut endpoint::Model, one: &Outcome, patience: Duration, now: Timestamp) {
    if one.ending.succeeded() {
        row.failing_since = None;
        row.last_failed_at = None;
        return;
    }
    // One failure long ago and one today are no days of failing: the count starts anew after a silence.
    let silent = |last: &chrono::DateTime<chrono::Utc>| now.since((*last).into()) >= patience;
    if row.last_failed_at.as_ref().is_some_and(silent) {
        row.failing_since = None;
    }
    row.last_failed_at = Some(one.at.utc());
    let since = *row.failing_since.get_or_insert(one.at.utc());
    let cause = if one.ending.status == Some(410) {
        "gone"
    } else if now.since(since.into()) >= patience {
        "failing"
    } else {
        return;
    };
    if row.enabled {
        row.enabled = false;
        row.disabled_cause = Some(cause.to_owned());
        row.disabled_at = Some(now.utc());
    }
}

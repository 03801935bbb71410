//! Revalidation: the same evidence, decided again. Today's answer to yesterday's question must be yesterday's answer.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_pki::{Check, Evidence, Purpose, examine, validate};
use warikan_types::{Reason, TenantScope, Timestamp, Verdict, VerificationId};

use crate::{Verification, error::Error, evidence::Kept, request::ChallengePurpose, store};

/// When to decide for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RevalidationRequest {
    /// The moment to judge certificate and status at; the moment of the verification where absent.
    pub(crate) at: Option<Timestamp>,
}

/// The evidence, decided again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Revalidation {
    id: VerificationId,
    at: Timestamp,
    verdict: Verdict,
    reason: Option<Reason>,
    checks: Vec<Check>,
    /// Whether it is the report that was given then.
    same_as_recorded: bool,
}

impl Verification {
    pub(crate) async fn revalidate(
        &self,
        scope: TenantScope,
        id: VerificationId,
        at: Option<Timestamp>,
    ) -> Result<Revalidation, Error> {
        let row = store::verification(&self.0.db.begin_read(scope).await?, scope, id).await?;
        let sealer = self.0.data_keys.sealer(scope).await?;
        let kept = Kept::open(&sealer, scope, &row)?;
        let grounds = &kept.grounds;
        let at = at.unwrap_or(grounds.at);
        let purpose = kept
            .purpose()
            .map_or(Purpose::Any, ChallengePurpose::policy);
        let mut policy = self.policy(
            grounds.environment,
            purpose,
            grounds.max_age_seconds.map(Duration::from_secs),
        );
        policy.clock_skew = Duration::from_secs(grounds.clock_skew_seconds);
        let report = validate(
            &Evidence {
                examined: &examine(&kept.certificate, &self.0.anchors.current()),
                signature: &kept.signature,
                signed: &kept.signed(),
                status: grounds.status.as_ref(),
            },
            &policy,
            at,
        )
        // A challenge is answered once; that it was stays true.
        .with(kept.challenge_check());
        Ok(Revalidation {
            id,
            at,
            verdict: report.verdict,
            reason: report.reason,
            same_as_recorded: kept.is(&report),
            checks: report.checks,
        })
    }
}

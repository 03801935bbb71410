//! Revalidation: the same evidence, decided again. Today's answer to yesterday's question must be yesterday's answer.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_pki::{Check, CheckName, Evidence, Purpose, examine, validate};
use warikan_types::{Reason, TenantScope, Timestamp, Verdict, VerificationId};

use crate::{
    Verification,
    error::Error,
    evidence::{StoredEvidence, evidence_place},
    request::ChallengePurpose,
    store,
};

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
        if row.evidence.is_empty() {
            return Err(Error::NotFound);
        }
        let sealer = self.0.data_keys.sealer(scope).await?;
        let plain = sealer.open(&evidence_place(scope, id), &row.evidence)?;
        let evidence: StoredEvidence =
            serde_json::from_slice(&plain).map_err(|_| Error::Damaged("verification.evidence"))?;
        let at = at.unwrap_or(evidence.at);
        let purpose = evidence
            .purpose()
            .map_or(Purpose::Any, ChallengePurpose::policy);
        let mut policy = self.policy(
            evidence.environment,
            purpose,
            evidence.max_age_seconds.map(Duration::from_secs),
        );
        policy.clock_skew = Duration::from_secs(evidence.clock_skew_seconds);
        let report = validate(
            &Evidence {
                examined: &examine(&evidence.certificate.0, &self.0.anchors.current()),
                signature: &evidence.signature.0,
                signed: &evidence.signed(),
                status: evidence.status.as_ref(),
            },
            &policy,
            at,
        )
        // A challenge is answered once; that it was stays true.
        .with(evidence.report.check(CheckName::Challenge).cloned());
        Ok(Revalidation {
            id,
            at,
            verdict: report.verdict,
            reason: report.reason,
            same_as_recorded: report == evidence.report,
            checks: report.checks,
        })
    }
}

//! The use case: one verification, from parsed request to durable answer.

use std::{sync::Arc, time::Duration};

use warikan_http::{Answer, Idempotency, Problem};
use warikan_pki::{AlgorithmPolicy, Check, Evidence, Examined, Policy, Purpose, Report, validate};
use warikan_status::{Gathered, Subject, Wanted};
use warikan_types::{
    ChallengeId, ClientId, Environment, Sealer, TenantScope, Timestamp, VerificationId,
};

use crate::{
    Verification, challenge,
    commit::{Entry, Work},
    conclude::Conclusion,
    request::{ChallengePurpose, Submission, VerificationRequest},
    store::{self, KnownCertificate},
};

/// Everything learned about one request before the transaction.
pub(crate) struct Case {
    pub(crate) id: VerificationId,
    pub(crate) scope: TenantScope,
    /// Under the tenant's data key.
    pub(crate) sealer: Sealer,
    pub(crate) client: ClientId,
    pub(crate) accepted_at: Timestamp,
    /// By the environment's clock: the time that certificates and lists are judged by.
    pub(crate) at: Timestamp,
    pub(crate) submission: Submission,
    /// The challenge that is named.
    pub(crate) challenge: Option<ChallengeId>,
    /// Whether a watch is asked for.
    pub(crate) watch: bool,
    pub(crate) examined: Arc<Examined>,
    /// The certificate, where somebody vouches for it in this environment.
    pub(crate) known: Option<KnownCertificate>,
    pub(crate) status: Gathered,
    pub(crate) policy: Policy,
    /// All checks but the challenge's.
    pub(crate) decided: Report,
}

impl Verification {
    /// Verifies, stores and answers. A replayed idempotency key gets the first answer.
    pub(crate) async fn verify(
        &self,
        scope: TenantScope,
        client: ClientId,
        request: &VerificationRequest,
        once: Idempotency,
        sealer: Sealer,
    ) -> Result<Answer, Problem> {
        self.0.writer.expect_room()?;
        let (case, check) = self.decide(scope, client, request, sealer).await?;
        let conclusion = Conclusion::of(&self.0.platform, &case, check)?;
        let entry = Entry {
            scope,
            once,
            accepted_at: case.accepted_at,
            work: Work::Verification(Box::new((case, conclusion))),
        };
        self.0.writer.write(entry).await
    }

    /// Gathers facts and decides; writes nothing. Beside the case stands the challenge's check, as far as can be seen before others
    /// have had their turn with it.
    async fn decide(
        &self,
        scope: TenantScope,
        client: ClientId,
        request: &VerificationRequest,
        sealer: Sealer,
    ) -> Result<(Case, Option<Check>), Problem> {
        let inner = &self.0;
        let submission = request.read()?;
        let accepted_at = inner.platform.clock().now();
        let environment = scope.environment();
        let at = inner.platform.clocks.of(environment).now();
        // Without a challenge an authentication certificate proves nothing.
        let (purpose, check) = match request.challenge_id {
            None => (Purpose::Signature, None),
            Some(id) => {
                let row = match inner.challenges_made.take(scope, id) {
                    Some(row) => Some(row),
                    None => store::challenge(&inner.db.begin_read(scope).await?, scope, id).await?,
                };
                let check = challenge::judge(row.as_ref(), &submission.signed, accepted_at);
                let purpose = row.and_then(|row| ChallengePurpose::from_word(&row.purpose));
                (
                    purpose.map_or(Purpose::Any, ChallengePurpose::policy),
                    Some(check),
                )
            }
        };
        let policy = self.policy(
            environment,
            purpose,
            request.max_age.map(|age| age.duration()),
        );
        let examined = inner
            .examinations
            .of(&submission.certificate, &inner.anchors.current());
        let status = if examined.environment() == Some(environment) {
            let wanted = Wanted {
                environment,
                channel: submission.channel,
                max_age: policy.max_age,
                at,
            };
            self.gather_status(&examined, wanted).await
        } else {
            Gathered::default()
        };
        let decided = validate(
            &Evidence {
                examined: &examined,
                signature: &submission.signature,
                signed: &submission.signed,
                status: status.deciding.as_ref(),
            },
            &policy,
            at,
        );
        let case = Case {
            id: inner.platform.entropy.id(accepted_at),
            scope,
            sealer,
            client,
            accepted_at,
            at,
            submission,
            challenge: request.challenge_id,
            watch: request.watch,
            known: self.known_certificate(scope, &examined),
            examined,
            status,
            policy,
            decided,
        };
        Ok((case, check))
    }

    /// What is known of the certificate's status; nothing where nobody vouches for it.
    async fn gather_status(&self, examined: &Examined, wanted: Wanted) -> Gathered {
        let (Some(path), Some(certificate)) = (examined.path(), examined.certificate()) else {
            return Gathered::default();
        };
        let subject = Subject {
            id: path.certificate_id(),
            partition: certificate.distribution_point(),
            kind: examined.kind(),
            issuer: Some(path.anchor()),
            certificate: Some(certificate),
        };
        self.0.sources.gather(subject, wanted).await
    }

    pub(crate) fn policy(
        &self,
        environment: Environment,
        purpose: Purpose,
        max_age: Option<Duration>,
    ) -> Policy {
        Policy {
            environment,
            purpose,
            max_age,
            clock_skew: Duration::from_secs(self.0.config.clock_skew_seconds),
            algorithms: AlgorithmPolicy::jpki(),
        }
    }

    /// The certificate's identity, where an anchor of the caller's environment vouches for it.
    fn known_certificate(
        &self,
        scope: TenantScope,
        examined: &Examined,
    ) -> Option<KnownCertificate> {
        if examined.environment() != Some(scope.environment()) {
            return None;
        }
        let certificate = examined.certificate()?;
        let id = examined.path()?.certificate_id().clone();
        Some(KnownCertificate {
            handle: self.0.platform.keys.pseudonym().handle(scope, &id),
            kind: examined.kind()?,
            partition: certificate.distribution_point(),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
            id,
        })
    }
}

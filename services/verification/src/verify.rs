//! The use case: one verification, from parsed request to durable answer.

use std::time::Duration;

use warikan_contracts::{
    Envelope,
    facts::{VerificationCompleted, WatchOrder},
};
use warikan_http::{Answer, Idempotency, Problem};
use warikan_messaging::Outbox;
use warikan_pki::{
    AlgorithmPolicy, CheckName, Evidence, Examined, Policy, Purpose, Report, StatusKnowledge,
    examine, sha256, validate,
};
use warikan_types::{
    Base64Bytes, ClientId, Environment, TenantScope, Timestamp, Verdict, VerificationId, WatchId,
};

use sea_orm::DatabaseTransaction;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Verification,
    attributes::AttributesView,
    challenge,
    error::Error,
    evidence::{StoredEvidence, answer_place, evidence_place},
    request::{ChallengePurpose, Submission, VerificationRequest},
    store::{self, KnownCertificate, NewVerification},
    view::{
        CertificateView, StatusView, SubjectOfVerification, VerificationView, WatchOfVerification,
    },
};

/// The answer to a verification: the attributes are in it this once.
#[derive(Serialize, ToSchema)]
pub(crate) struct VerificationAnswer {
    #[serde(flatten)]
    view: VerificationView,
    /// As certified; `null` where nobody vouches for the certificate, or it carries none.
    attributes: Option<AttributesView>,
}

/// Everything learned about one request before the transaction.
pub(crate) struct Case {
    pub(crate) id: VerificationId,
    pub(crate) scope: TenantScope,
    client: ClientId,
    pub(crate) accepted_at: Timestamp,
    /// By the environment's clock: the time that certificates and lists are judged by.
    at: Timestamp,
    pub(crate) submission: Submission,
    examined: Examined,
    status: Option<StatusKnowledge>,
    policy: Policy,
    pub(crate) report: Report,
}

impl Verification {
    /// Verifies, stores and answers. A replayed idempotency key gets the first answer.
    pub(crate) async fn verify(
        &self,
        scope: TenantScope,
        client: ClientId,
        request: &VerificationRequest,
        once: &Idempotency,
    ) -> Result<Answer, Problem> {
        let case = self.decide(scope, client, request).await?;
        let transaction = self.0.db.begin_write(scope).await?;
        if let Some(answer) = once.claim(&transaction, case.accepted_at).await? {
            transaction.rollback().await?;
            return Ok(answer);
        }
        let answer = self.record(&transaction, case, request).await?;
        once.keep(&transaction, &answer).await?;
        transaction.commit().await?;
        self.0.relay.wake();
        Ok(answer)
    }

    /// Gathers facts and decides; writes nothing.
    async fn decide(
        &self,
        scope: TenantScope,
        client: ClientId,
        request: &VerificationRequest,
    ) -> Result<Case, Problem> {
        let inner = &self.0;
        let submission = request.read()?;
        let accepted_at = inner.platform.clock().now();
        let environment = scope.environment();
        let at = inner.platform.clocks.of(environment).now();
        let purpose = match request.challenge_id {
            // Without a challenge an authentication certificate proves nothing.
            None => Purpose::Signature,
            Some(id) => store::challenge(&inner.db.begin_read(scope).await?, scope, id)
                .await?
                .and_then(|row| ChallengePurpose::from_word(&row.purpose))
                .map_or(Purpose::Any, ChallengePurpose::policy),
        };
        let policy = self.policy(
            environment,
            purpose,
            request.max_age.map(|age| age.duration()),
        );
        let examined = examine(&submission.certificate, &inner.anchors.current());
        let status = if examined.environment() == Some(environment) {
            self.gather_status(environment, &examined, submission.channel)
                .await
        } else {
            None
        };
        let report = validate(
            &Evidence {
                examined: &examined,
                signature: &submission.signature,
                signed: &submission.signed,
                status: status.as_ref(),
            },
            &policy,
            at,
        );
        Ok(Case {
            id: inner.platform.entropy.id(accepted_at),
            scope,
            client,
            accepted_at,
            at,
            submission,
            examined,
            status,
            policy,
            report,
        })
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

    /// Consumes the challenge, finds the subject, and writes everything that belongs together.
    async fn record(
        &self,
        on: &DatabaseTransaction,
        mut case: Case,
        request: &VerificationRequest,
    ) -> Result<Answer, Error> {
        if let Some(id) = request.challenge_id {
            let row = store::challenge_to_use(on, case.scope, id).await?;
            let check = challenge::judge(row.as_ref(), &case.submission.signed, case.accepted_at);
            if row.is_some_and(|row| row.used_by.is_none()) {
                store::use_challenge(on, case.scope, id, challenge::used_by(case.id)).await?;
            }
            case.report = case.report.with([check]);
        }
        let known = self.known_certificate(&case);
        let (subject, changed) = match &known {
            Some(known) => self.subject(on, &case, known).await?,
            None => (None, None),
        };
        let watch = self.watch_order(&case, known.as_ref(), subject.as_ref(), request.watch);
        let view = self.view(&case, known.as_ref(), subject, watch.as_ref())?;
        self.store(on, &case, &view).await?;
        let fact = completed(&case, known.as_ref(), &view, watch);
        let completed = Envelope::of(
            self.0.platform.entropy.id(case.accepted_at),
            Some(case.scope),
            case.accepted_at,
            case.id.to_string(),
            &fact,
        );
        Outbox::append(on, std::iter::once(completed).chain(changed)).await?;
        let attributes = known
            .as_ref()
            .and_then(|_| case.examined.certificate())
            .and_then(|certificate| certificate.attributes())
            .map(AttributesView::of);
        Ok(Answer::json(201, &VerificationAnswer { view, attributes }))
    }

    /// The certificate's identity, where an anchor of the caller's environment vouches for it.
    fn known_certificate(&self, case: &Case) -> Option<KnownCertificate> {
        if case.examined.environment() != Some(case.scope.environment()) {
            return None;
        }
        let certificate = case.examined.certificate()?;
        let id = case.examined.path()?.certificate_id().clone();
        Some(KnownCertificate {
            handle: self.0.platform.keys.pseudonym().handle(case.scope, &id),
            kind: case.examined.kind()?,
            partition: certificate.distribution_point(),
            not_after: certificate.not_after(),
            id,
        })
    }

    fn watch_order(
        &self,
        case: &Case,
        known: Option<&KnownCertificate>,
        subject: Option<&SubjectOfVerification>,
        asked: bool,
    ) -> Option<WatchOrder> {
        let known = known.filter(|_| asked && case.report.verdict != Verdict::Invalid)?;
        let watch: WatchId = self.0.platform.entropy.id(case.accepted_at);
        Some(WatchOrder {
            watch,
            certificate: known.id.clone(),
            partition: known.partition,
            kind: known.kind,
            not_after: known.not_after,
            handle: known.handle,
            subject: subject.map(|subject| subject.id),
            reference: subject.and_then(|subject| subject.reference.clone()),
        })
    }

    fn view(
        &self,
        case: &Case,
        known: Option<&KnownCertificate>,
        subject: Option<SubjectOfVerification>,
        watch: Option<&WatchOrder>,
    ) -> Result<VerificationView, Error> {
        let certificate = case
            .examined
            .certificate()
            .map(|certificate| CertificateView {
                handle: known.map(|known| known.handle),
                kind: case.examined.kind(),
                environment: case.examined.environment(),
                not_before: certificate.not_before(),
                not_after: certificate.not_after(),
            });
        let mut view = VerificationView {
            id: case.id,
            verdict: case.report.verdict,
            reason: case.report.reason,
            checks: case.report.checks.clone(),
            certificate,
            status: StatusView::of(case.status.as_ref(), case.at),
            subject,
            watch: watch.map(|order| WatchOfVerification { id: order.watch }),
            verified_at: case.at,
            receipt: String::new(),
        };
        view.receipt = self.receipt(case, &view)?;
        Ok(view)
    }

    /// What the tenant can prove offline: that this platform gave this verdict on this digest at this time.
    fn receipt(&self, case: &Case, view: &VerificationView) -> Result<String, Error> {
        let evidence = case.evidence();
        let digest =
            sha256(&serde_json::to_vec(&evidence).map_err(|_| Error::Damaged("evidence"))?);
        let claims = serde_json::json!({
            "iss": "warikan",
            "iat": case.accepted_at.unix(),
            "sub": case.id,
            "tenant": case.scope.tenant(),
            "environment": case.scope.environment(),
            "verdict": view.verdict,
            "reason": view.reason,
            "signed": { "algorithm": evidence.algorithm, "digest": evidence.digest },
            "certificate": view.certificate.as_ref().and_then(|certificate| certificate.handle),
            "status": view.status,
            "verified_at": view.verified_at,
            "evidence_sha256": Base64Bytes(digest.to_vec()),
        });
        Ok(self.0.platform.keys.sign_receipt(&claims)?)
    }

    async fn store(
        &self,
        on: &DatabaseTransaction,
        case: &Case,
        view: &VerificationView,
    ) -> Result<(), Error> {
        let sealer = self.0.platform.keys.sealer();
        let answer = serde_json::to_vec(view).map_err(|_| Error::Damaged("answer"))?;
        let evidence =
            serde_json::to_vec(&case.evidence()).map_err(|_| Error::Damaged("evidence"))?;
        store::insert_verification(
            on,
            case.scope,
            NewVerification {
                id: case.id,
                verdict: case.report.verdict,
                subject: view.subject.as_ref().map(|subject| subject.id),
                accepted_at: case.accepted_at,
                answer: sealer.seal(&answer_place(case.scope, case.id), &answer),
                evidence: sealer.seal(&evidence_place(case.scope, case.id), &evidence),
            },
        )
        .await?;
        Ok(())
    }
}

impl Case {
    fn evidence(&self) -> StoredEvidence {
        StoredEvidence {
            certificate: Base64Bytes(self.submission.certificate.clone()),
            signature: Base64Bytes(self.submission.signature.clone()),
            algorithm: self.submission.signed.algorithm(),
            digest: Base64Bytes(self.submission.signed.digest()),
            status: self.status.clone(),
            environment: self.policy.environment,
            purpose: match self.policy.purpose {
                Purpose::Signature => ChallengePurpose::Signature.as_str(),
                Purpose::Authentication => ChallengePurpose::Authentication.as_str(),
                Purpose::Any => "any",
            }
            .to_owned(),
            max_age_seconds: self.policy.max_age.map(|age| age.as_secs()),
            clock_skew_seconds: self.policy.clock_skew.as_secs(),
            anchor: self.anchor(),
            at: self.at,
            report: self.report.clone(),
        }
    }

    /// Which certificate's key vouched; the set of anchors may grow later without changing that.
    fn anchor(&self) -> String {
        self.examined
            .path()
            .map_or_else(String::new, |path| path.anchor().key().to_string())
    }
}

fn completed(
    case: &Case,
    known: Option<&KnownCertificate>,
    view: &VerificationView,
    watch: Option<WatchOrder>,
) -> VerificationCompleted {
    let status_was_asked = case
        .report
        .check(CheckName::Status)
        .is_some_and(|check| check.result != warikan_pki::CheckResult::NotRun);
    VerificationCompleted {
        verification: case.id,
        client: case.client,
        kind: case.examined.kind(),
        channel: status_was_asked.then_some(case.submission.channel),
        verdict: view.verdict,
        reason: view.reason,
        subject: view.subject.as_ref().map(|subject| subject.id),
        handle: known.map(|known| known.handle),
        accepted_at: case.accepted_at,
        watch,
    }
}

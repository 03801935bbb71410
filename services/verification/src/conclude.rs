//! What is said and kept of a decided case: receipt, evidence, answer, fact. Nothing here asks the database.

use serde::Serialize;
use utoipa::ToSchema;
use warikan_contracts::facts::{VerificationCompleted, WatchOrder};
use warikan_http::Answer;
use warikan_pki::{
    AgeBounds, AnchorSet, Certificate, Check, CheckName, CheckResult, Report, examine, sha256,
};
use warikan_runtime::Platform;
use warikan_types::{Base64Bytes, Verdict, WatchId};

use crate::{
    attributes::AttributesView,
    error::Error,
    evidence::{self, Grounds, Kept, evidence},
    request::ChallengePurpose,
    store::NewVerification,
    verify::Case,
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

/// The report with the challenge's check, and what is signed and sealed of it. Made before the transaction, from the challenge as it
/// was seen then; where the transaction sees it otherwise, made again.
pub(crate) struct Conclusion {
    /// The challenge's check, where one is named.
    pub(crate) check: Option<Check>,
    pub(crate) report: Report,
    receipt: String,
    /// Not sealed yet: that is done together with the answer, which is whole only in the transaction.
    evidence: Vec<u8>,
}

impl Conclusion {
    pub(crate) fn of(
        platform: &Platform,
        case: &Case,
        check: Option<Check>,
    ) -> Result<Self, Error> {
        let report = case.decided.clone().with(check);
        let grounds = grounds(case);
        let evidence = evidence(
            &grounds,
            &case.submission.certificate,
            &case.submission.signature,
            case.status.response.as_deref().unwrap_or_default(),
        )?;
        Ok(Self {
            check,
            receipt: receipt(platform, case, &report, &grounds, &sha256(&evidence))?,
            evidence,
            report,
        })
    }
}

/// What the tenant can prove offline: that this platform gave this verdict on this digest at this time.
fn receipt(
    platform: &Platform,
    case: &Case,
    report: &Report,
    grounds: &Grounds,
    digest: &[u8],
) -> Result<String, Error> {
    let handle = case.known.as_ref().map(|known| known.handle);
    let claims = serde_json::json!({
        "iss": "warikan",
        "iat": case.accepted_at.unix(),
        "sub": case.id,
        "tenant": case.scope.tenant(),
        "environment": case.scope.environment(),
        "verdict": report.verdict,
        "reason": report.reason,
        "signed": { "algorithm": grounds.algorithm, "digest": grounds.digest },
        "certificate": handle,
        "status": status_view(case),
        "verified_at": case.at,
        "evidence_sha256": Base64Bytes(digest.to_vec()),
    });
    Ok(platform.keys.sign_receipt(&claims)?)
}

fn status_view(case: &Case) -> StatusView {
    let bounds = AgeBounds {
        max_age: case.policy.max_age,
        clock_skew: case.policy.clock_skew,
    };
    StatusView::of(case.status.deciding.as_ref(), bounds, case.at)
        .with_sources(&case.status.heard, case.at)
}

fn grounds(case: &Case) -> Grounds {
    Grounds {
        algorithm: case.submission.signed.algorithm(),
        digest: Base64Bytes(case.submission.signed.digest()),
        status: case.status.deciding.clone(),
        heard: match case.status.heard.as_slice() {
            // The list alone is what decides already.
            [_] => Vec::new(),
            more => more.to_vec(),
        },
        environment: case.policy.environment,
        purpose: ChallengePurpose::word(case.policy.purpose).to_owned(),
        max_age_seconds: case.policy.max_age.map(|age| age.as_secs()),
        clock_skew_seconds: case.policy.clock_skew.as_secs(),
        // Which certificate's key vouched; the set of anchors may grow later without changing that.
        anchor: case
            .examined
            .path()
            .map_or_else(String::new, |path| path.anchor().key().to_string()),
        at: case.at,
    }
}

/// The watch that was asked for, where there is something to watch.
pub(crate) fn watch_order(
    platform: &Platform,
    case: &Case,
    conclusion: &Conclusion,
    subject: Option<&SubjectOfVerification>,
) -> Option<WatchOrder> {
    let asked = case.watch && conclusion.report.verdict != Verdict::Invalid;
    let known = case.known.as_ref().filter(|_| asked)?;
    let watch: WatchId = platform.entropy.id(case.accepted_at);
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

pub(crate) fn view(
    case: &Case,
    conclusion: &Conclusion,
    subject: Option<SubjectOfVerification>,
    watch: Option<&WatchOrder>,
) -> VerificationView {
    let certificate = case
        .examined
        .certificate()
        .map(|certificate| CertificateView {
            handle: case.known.as_ref().map(|known| known.handle),
            kind: case.examined.kind(),
            environment: case.examined.environment(),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
        });
    VerificationView {
        id: case.id,
        verdict: conclusion.report.verdict,
        reason: conclusion.report.reason,
        checks: conclusion.report.checks.clone(),
        certificate,
        status: status_view(case),
        subject,
        watch: watch.map(|order| WatchOfVerification { id: order.watch }),
        verified_at: case.at,
        receipt: conclusion.receipt.clone(),
    }
}

/// The verification's row.
pub(crate) fn row(
    case: &Case,
    conclusion: &Conclusion,
    view: &VerificationView,
) -> Result<NewVerification, Error> {
    Ok(NewVerification {
        scope: case.scope,
        id: case.id,
        verdict: conclusion.report.verdict,
        subject: view.subject.as_ref().map(|subject| subject.id),
        accepted_at: case.accepted_at,
        kept: evidence::seal(&case.sealer, case.scope, view, &conclusion.evidence)?,
    })
}

/// What the caller gets. It is kept in the verification's row and in no other place.
pub(crate) fn answer(case: &Case, view: VerificationView) -> Answer {
    let certificate = case
        .known
        .as_ref()
        .and_then(|_| case.examined.certificate());
    let attributes = certificate.and_then(attributes);
    let id = view.id.uuid();
    Answer::json(201, &VerificationAnswer { view, attributes }).recorded(id)
}

/// The same again, octet by octet, from what was kept.
pub(crate) fn answer_again(kept: Kept, anchors: &AnchorSet) -> Answer {
    let vouched = kept.view.certificate.as_ref();
    let attributes = vouched.and_then(|one| one.handle).and_then(|_| {
        let examined = examine(&kept.certificate, anchors);
        examined.certificate().and_then(attributes)
    });
    let view = kept.view;
    let answer = Answer::json(201, &VerificationAnswer { view, attributes });
    Answer::replayed(answer.status, answer.body)
}

fn attributes(certificate: &Certificate) -> Option<AttributesView> {
    certificate.attributes().map(AttributesView::of)
}

/// The fact.
pub(crate) fn completed(
    case: &Case,
    conclusion: &Conclusion,
    view: &VerificationView,
    watch: Option<WatchOrder>,
) -> VerificationCompleted {
    let status_was_asked = conclusion
        .report
        .check(CheckName::Status)
        .is_some_and(|check| check.result != CheckResult::NotRun);
    VerificationCompleted {
        verification: case.id,
        client: case.client,
        kind: case.examined.kind(),
        channel: status_was_asked.then(|| case.status.channel()),
        verdict: view.verdict,
        reason: view.reason,
        subject: view.subject.as_ref().map(|subject| subject.id),
        handle: case.known.as_ref().map(|known| known.handle),
        accepted_at: case.accepted_at,
        watch,
    }
}

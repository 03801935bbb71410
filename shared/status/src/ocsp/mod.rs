//! The live question: OCSP (RFC 6960), bounded in time, size and number.
//!
//! Whom to ask says the configuration alone; what a certificate names (AIA) is never followed (F040). A call has two seconds in
//! all, an answer 64 KiB; redirects are not followed. An answer counts only as a [`VerifiedOcsp`]; until its nextUpdate it
//! answers later questions too, if it is young enough for them. A responder that fails five times in a row is left alone
//! for half a minute, and then asked once. All that goes wrong here is one thing for who asks: the responder said
//! nothing, and the list speaks or nobody does.

mod breaker;
mod client;

use std::{sync::Arc, time::Duration};

use moka::sync::Cache;
use warikan_pki::{
    Nonce, OcspError, OcspPolicy, OcspSubject, PathAlgorithms, StatusKnowledge, TrustAnchor,
    VerifiedOcsp, ocsp_request,
};
use warikan_types::{CertificateId, CertificateKind, Clock, Entropy, Environment, Timestamp};

use self::{
    breaker::Breaker,
    client::{OcspClient, Silence},
};
use crate::config::{NonceUse, Responder};

/// Answers kept at a time: some 100 MB at most.
const KEPT: u64 = 20_000;
/// Octets of a nonce (RFC 8954 2.1: at most 32).
const NONCE: usize = 16;

/// An answer that was proved, and its octets for the evidence.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    pub(crate) knowledge: StatusKnowledge,
    pub(crate) response: Arc<[u8]>,
}

/// Why there is no answer. The word is told to the tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unanswered {
    #[error("not_configured")]
    NotConfigured,
    #[error("resting")]
    Resting,
    #[error("{0}")]
    Silent(#[from] Silence),
    #[error("{0}")]
    Refused(#[from] OcspError),
}

/// The configured responders.
pub(crate) struct Ocsp {
    responders: Vec<(Responder, Breaker)>,
    client: OcspClient,
    kept: Cache<CertificateId, Answered>,
    clock: Clock,
    entropy: Entropy,
    clock_skew: Duration,
}

/// What is asked, and by when.
pub(crate) struct Question<'a> {
    pub(crate) environment: Environment,
    pub(crate) id: &'a CertificateId,
    pub(crate) subject: OcspSubject<'a>,
    pub(crate) kind: Option<CertificateKind>,
    pub(crate) issuer: &'a TrustAnchor,
    pub(crate) max_age: Option<Duration>,
    /// By the environment's clock.
    pub(crate) at: Timestamp,
}

impl Ocsp {
    pub(crate) fn new(
        responders: &[Responder],
        clock_skew: Duration,
        clock: Clock,
        entropy: Entropy,
    ) -> Result<Self, String> {
        Ok(Self {
            responders: client::check(responders)?
                .into_iter()
                .map(|responder| (responder, Breaker::default()))
                .collect(),
            client: OcspClient::new()?,
            kept: Cache::new(KEPT),
            clock,
            entropy,
            clock_skew,
        })
    }

    /// Asks whom the configuration names for this certificate.
    pub(crate) async fn ask(&self, question: &Question<'_>) -> Result<Answered, Unanswered> {
        let (responder, breaker) = self
            .responders
            .iter()
            .find(|(one, _)| one.serves(question.environment, question.kind))
            .ok_or(Unanswered::NotConfigured)?;
        if let Some(kept) = self.kept.get(question.id)
            && is_young(&kept.knowledge, question)
        {
            return Ok(kept);
        }
        if !breaker.lets_through(self.clock.now()) {
            return Err(Unanswered::Resting);
        }
        let answer = self.call(responder, question).await;
        // An error of the responder is an answer of sorts: it lives. What cannot be believed is none.
        breaker.heard(
            matches!(
                answer,
                Ok(_) | Err(Unanswered::Refused(OcspError::Responder(_)))
            ),
            self.clock.now(),
        );
        let answer = answer?;
        self.kept.insert(question.id.clone(), answer.clone());
        Ok(answer)
    }

    async fn call(
        &self,
        responder: &Responder,
        question: &Question<'_>,
    ) -> Result<Answered, Unanswered> {
        let nonce = self.entropy.bytes::<NONCE>();
        let sent = match responder.nonce {
            NonceUse::Never => Nonce::NotSent,
            NonceUse::Optional => Nonce::Optional(&nonce),
            NonceUse::Required => Nonce::Required(&nonce),
        };
        let request = ocsp_request(
            question.subject,
            question.issuer,
            responder.cert_id.into(),
            (sent != Nonce::NotSent).then_some(&nonce),
        )?;
        let response = self.client.post(&responder.url, request).await?;
        let policy = OcspPolicy {
            max_age: question.max_age,
            clock_skew: self.clock_skew,
            nonce: sent,
            algorithms: PathAlgorithms::Current,
        };
        let verified = VerifiedOcsp::verify(
            &response,
            question.subject,
            question.issuer,
            &policy,
            question.at,
        )?;
        Ok(Answered {
            knowledge: verified.knowledge(),
            response: response.into(),
        })
    }
}

/// Whether an answer from before still answers: in force, and not older than asked for.
fn is_young(known: &StatusKnowledge, question: &Question<'_>) -> bool {
    let ends = known.next_update.is_some_and(|next| question.at <= next);
    let age = question.at.since(known.this_update);
    ends && question.max_age.is_none_or(|max| age <= max)
}

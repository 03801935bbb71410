//! Gathering: what has to be learned before anything is decided. A failure to learn is no error.
//!
//! Which source speaks, by the channel that was asked for:
//!
//! - `crl`: the list in memory.
//! - `auto`: the list, as long as it is in force and young enough for `max_age`; otherwise OCSP is asked as well.
//! - `ocsp`: OCSP is asked, and the list is looked at beside it, which costs nothing.
//!
//! Where both have spoken, *revoked* wins, whoever says it; otherwise OCSP decides, being the younger. Where OCSP gave no
//! usable answer, the list decides (for `ocsp`: unless the configuration says `fallback = "none"`). Everything that was heard, and
//! what was not, stands in the answer and in the evidence; the one that decides is named, so that the evidence decides
//! the same again.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_contracts::{
    api::{CertificateStatus, KnownState, StatusAnswer},
    facts::Channel,
};
use warikan_pki::{
    AgeBounds, Certificate, Judged, OcspSubject, StatusFact, StatusKnowledge, TrustAnchor,
};
use warikan_types::{
    CertificateId, CertificateKind, Clock, CrlPartition, Entropy, Environment, Timestamp,
};

use crate::{
    config::{Fallback, OcspConfig},
    ocsp::{Ocsp, Question},
};

/// Which source of revocation information to ask. Whatever is asked, *revoked* wins where two have spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AskedChannel {
    /// The daily list.
    Crl,
    /// The live question; where it gets no usable answer, the list if it is fresh enough. Each counts on the bill.
    Ocsp,
    /// The list as long as it is in force and young enough for `max_age`, the live question otherwise.
    Auto,
}

/// A source that was asked, and what it said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// Which.
    pub channel: Channel,
    /// `None`: nothing usable.
    pub knowledge: Option<StatusKnowledge>,
    /// Why there is nothing usable.
    pub problem: Option<String>,
}

/// What was learned about a certificate's status.
#[derive(Debug, Clone, Default)]
pub struct Gathered {
    /// What decides; `None` where nothing usable is known or nobody vouches for the certificate.
    pub deciding: Option<StatusKnowledge>,
    /// Every source that was asked.
    pub heard: Vec<Heard>,
    /// The responder's octets, for the evidence.
    pub response: Option<Arc<[u8]>>,
}

impl Gathered {
    /// What the bill counts: a live answer is one, whether or not it decided.
    #[must_use]
    pub fn channel(&self) -> Channel {
        let live = self
            .heard
            .iter()
            .any(|one| one.channel == Channel::Ocsp && one.knowledge.is_some());
        if live { Channel::Ocsp } else { Channel::Crl }
    }

    /// What it amounts to.
    #[must_use]
    pub fn judged(&self, bounds: AgeBounds, at: Timestamp) -> Judged {
        Judged::of(self.deciding.as_ref(), bounds, at)
    }
}

/// A certificate to ask about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Issuer and serial number.
    pub id: &'a CertificateId,
    /// The partition that covers it, where its certificate names one.
    pub partition: Option<CrlPartition>,
    /// Its kind, by which a responder is chosen.
    pub kind: Option<CertificateKind>,
    /// Who issued it; `None` where that anchor is no longer pinned: no live question can be proved then.
    pub issuer: Option<&'a TrustAnchor>,
    /// Itself, where it is at hand.
    pub certificate: Option<&'a Certificate>,
}

/// How the status is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Whose lists and responders.
    pub environment: Environment,
    /// Which source.
    pub channel: AskedChannel,
    /// Oldest thisUpdate that will do.
    pub max_age: Option<Duration>,
    /// By the environment's clock.
    pub at: Timestamp,
}

/// Whom there is to ask.
pub struct Sources {
    lists: Arc<dyn CertificateStatus>,
    ocsp: Ocsp,
    fallback: Fallback,
}

impl Sources {
    /// The lists, and the configured responders.
    ///
    /// # Errors
    /// Why a responder's address cannot be used.
    pub fn new(
        lists: Arc<dyn CertificateStatus>,
        config: &OcspConfig,
        clock_skew: Duration,
        clock: Clock,
        entropy: Entropy,
    ) -> Result<Self, String> {
        Ok(Self {
            lists,
            ocsp: Ocsp::new(&config.responders, clock_skew, clock, entropy)?,
            fallback: config.fallback,
        })
    }

    /// What is known of the certificate's status.
    pub async fn gather(&self, subject: Subject<'_>, wanted: Wanted) -> Gathered {
        let listed = self
            .lists
            .status(
                wanted.environment,
                subject.id,
                subject.partition,
                Channel::Crl,
            )
            .await;
        let list = match listed {
            Ok(answer) => Heard::said(knowledge(answer)),
            Err(unavailable) => {
                tracing::warn!(%unavailable, environment = wanted.environment.as_str(), "status not available");
                Heard::nothing(Channel::Crl, "no_list")
            }
        };
        let enough = match wanted.channel {
            AskedChannel::Crl => true,
            AskedChannel::Auto => list
                .knowledge
                .as_ref()
                .is_some_and(|known| suffices(known, wanted)),
            AskedChannel::Ocsp => false,
        };
        if enough {
            return Gathered {
                deciding: list.knowledge.clone(),
                heard: vec![list],
                response: None,
            };
        }
        let (live, response) = self.ask(subject, wanted).await;
        let rests_on_list = wanted.channel != AskedChannel::Ocsp || self.fallback == Fallback::Crl;
        let deciding = settle(
            live.knowledge.as_ref(),
            list.knowledge.as_ref(),
            rests_on_list,
        );
        Gathered {
            deciding: deciding.cloned(),
            heard: vec![live, list],
            response,
        }
    }

    async fn ask(&self, subject: Subject<'_>, wanted: Wanted) -> (Heard, Option<Arc<[u8]>>) {
        let Some(issuer) = subject.issuer else {
            return (Heard::nothing(Channel::Ocsp, "issuer_unknown"), None);
        };
        let question = Question {
            environment: wanted.environment,
            id: subject.id,
            subject: subject.certificate.map_or(
                OcspSubject::Serial(&subject.id.serial),
                OcspSubject::Certificate,
            ),
            kind: subject.kind,
            issuer,
            max_age: wanted.max_age,
            at: wanted.at,
        };
        match self.ocsp.ask(&question).await {
            Ok(answered) => (Heard::said(answered.knowledge), Some(answered.response)),
            Err(why) => {
                tracing::warn!(%why, environment = wanted.environment.as_str(), "no answer by OCSP");
                (Heard::nothing(Channel::Ocsp, &why.to_string()), None)
            }
        }
    }
}

impl Heard {
    const fn said(knowledge: StatusKnowledge) -> Self {
        Self {
            channel: knowledge.channel,
            knowledge: Some(knowledge),
            problem: None,
        }
    }

    fn nothing(channel: Channel, problem: &str) -> Self {
        Self {
            channel,
            knowledge: None,
            problem: Some(problem.to_owned()),
        }
    }
}

/// Whether a list answers by itself: it says *revoked*, or is in force and young enough.
fn suffices(known: &StatusKnowledge, wanted: Wanted) -> bool {
    let bounds = AgeBounds {
        max_age: wanted.max_age,
        // A list is never taken over from the future.
        clock_skew: Duration::MAX,
    };
    !matches!(
        Judged::of(Some(known), bounds, wanted.at),
        Judged::Unknown(_)
    )
}

const fn is_revoked(known: &StatusKnowledge) -> bool {
    matches!(known.fact, StatusFact::Revoked { .. })
}

/// Which of two decides.
fn settle<'a>(
    live: Option<&'a StatusKnowledge>,
    list: Option<&'a StatusKnowledge>,
    rests_on_list: bool,
) -> Option<&'a StatusKnowledge> {
    let revoked = |known: &Option<&'a StatusKnowledge>| known.is_some_and(is_revoked);
    [live, list]
        .into_iter()
        .find(revoked)
        .unwrap_or_else(|| live.or(list.filter(|_| rests_on_list)))
}

/// What a list said, as the verdict takes it.
#[must_use]
pub fn knowledge(answer: StatusAnswer) -> StatusKnowledge {
    StatusKnowledge {
        fact: fact(&answer.state),
        channel: answer.channel,
        this_update: answer.this_update,
        next_update: Some(answer.next_update),
        version: answer.version,
    }
}

/// The same of the state alone.
#[must_use]
pub const fn fact(state: &KnownState) -> StatusFact {
    match *state {
        KnownState::Good => StatusFact::Good,
        KnownState::Revoked { reason, revoked_at } => StatusFact::Revoked { reason, revoked_at },
        KnownState::Unknown => StatusFact::UnknownSerial,
    }
}

#[cfg(test)]
mod tests {
    use warikan_types::RevocationReason;

    use super::*;

    fn known(channel: Channel, fact: StatusFact) -> StatusKnowledge {
        let at = Timestamp::from_unix(100).unwrap();
        StatusKnowledge {
            fact,
            channel,
            this_update: at,
            next_update: Some(at),
            version: String::new(),
        }
    }

    #[test]
    fn f051_revoked_wins_whoever_says_it() {
        let revoked = StatusFact::Revoked {
            reason: RevocationReason::KeyCompromise,
            revoked_at: Timestamp::from_unix(50).unwrap(),
        };
        let facts = [
            None,
            Some(StatusFact::Good),
            Some(StatusFact::UnknownSerial),
            Some(revoked.clone()),
        ];
        for live in &facts {
            for list in &facts {
                for rests_on_list in [false, true] {
                    let one = live.clone().map(|fact| known(Channel::Ocsp, fact));
                    let other = list.clone().map(|fact| known(Channel::Crl, fact));
                    let settled = settle(one.as_ref(), other.as_ref(), rests_on_list);
                    let fact = settled.map(|known| &known.fact);
                    if live.as_ref() == Some(&revoked) || list.as_ref() == Some(&revoked) {
                        assert_eq!(fact, Some(&revoked));
                    } else if live.is_some() {
                        assert_eq!(fact, live.as_ref());
                    } else if rests_on_list {
                        assert_eq!(fact, list.as_ref());
                    } else {
                        assert_eq!(fact, None);
                    }
                }
            }
        }
    }
}

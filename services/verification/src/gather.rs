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
use warikan_contracts::{
    api::{KnownState, StatusAnswer},
    facts::Channel,
};
use warikan_pki::{Examined, StatusFact, StatusKnowledge};
use warikan_types::{Environment, Timestamp};

use crate::{Verification, config::Fallback, ocsp::Question, request::AskedChannel};

/// A source that was asked, and what it said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Heard {
    pub(crate) channel: Channel,
    /// `None`: nothing usable.
    pub(crate) knowledge: Option<StatusKnowledge>,
    /// Why there is nothing usable.
    pub(crate) problem: Option<String>,
}

/// What was learned about a certificate's status.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gathered {
    /// What decides; `None` where nothing usable is known or nobody vouches for the certificate.
    pub(crate) deciding: Option<StatusKnowledge>,
    /// Every source that was asked.
    pub(crate) heard: Vec<Heard>,
    /// The responder's octets, for the evidence.
    pub(crate) response: Option<Arc<[u8]>>,
}

impl Gathered {
    /// What the bill counts: a live answer is one, whether or not it decided.
    pub(crate) fn channel(&self) -> Channel {
        let live = self
            .heard
            .iter()
            .any(|one| one.channel == Channel::Ocsp && one.knowledge.is_some());
        if live { Channel::Ocsp } else { Channel::Crl }
    }
}

/// How the status is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) environment: Environment,
    pub(crate) channel: AskedChannel,
    pub(crate) max_age: Option<Duration>,
    pub(crate) at: Timestamp,
}

impl Verification {
    /// What is known of the certificate's status.
    pub(crate) async fn gather_status(&self, examined: &Examined, wanted: Wanted) -> Gathered {
        let (Some(path), Some(certificate)) = (examined.path(), examined.certificate()) else {
            return Gathered::default();
        };
        let partition = certificate.distribution_point();
        let listed = self
            .0
            .status
            .status(
                wanted.environment,
                path.certificate_id(),
                partition,
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
        let question = Question {
            environment: wanted.environment,
            certificate,
            kind: examined.kind(),
            issuer: path.anchor(),
            max_age: wanted.max_age,
            at: wanted.at,
        };
        let (live, response) = match self.0.ocsp.ask(&question).await {
            Ok(answered) => (Heard::said(answered.knowledge), Some(answered.response)),
            Err(why) => {
                tracing::warn!(%why, environment = wanted.environment.as_str(), "no answer by OCSP");
                (Heard::nothing(Channel::Ocsp, &why.to_string()), None)
            }
        };
        let rests_on_list =
            wanted.channel != AskedChannel::Ocsp || self.0.config.ocsp.fallback == Fallback::Crl;
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
    let in_force = known.next_update.is_some_and(|next| wanted.at <= next);
    let age = wanted.at.since(known.this_update);
    let young = wanted.max_age.is_none_or(|max| age <= max);
    is_revoked(known) || (in_force && young)
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

pub(crate) fn knowledge(answer: StatusAnswer) -> StatusKnowledge {
    StatusKnowledge {
        fact: match answer.state {
            KnownState::Good => StatusFact::Good,
            KnownState::Revoked { reason, revoked_at } => {
                StatusFact::Revoked { reason, revoked_at }
            }
            KnownState::Unknown => StatusFact::UnknownSerial,
        },
        channel: answer.channel,
        this_update: answer.this_update,
        next_update: Some(answer.next_update),
        version: answer.version,
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

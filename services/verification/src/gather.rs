//! Gathering: what has to be learned before anything is decided. A failure to learn is `None`, not an error.

use warikan_contracts::{
    api::{KnownState, StatusAnswer},
    facts::Channel,
};
use warikan_pki::{Examined, StatusFact, StatusKnowledge};
use warikan_types::Environment;

use crate::Verification;

impl Verification {
    /// What is known of the certificate's status; `None` where nothing usable is known or nobody vouches for it.
    pub(crate) async fn gather_status(
        &self,
        environment: Environment,
        examined: &Examined,
        channel: Channel,
    ) -> Option<StatusKnowledge> {
        let path = examined.path()?;
        let partition = examined.certificate()?.distribution_point();
        match self
            .0
            .status
            .status(environment, path.certificate_id(), partition, channel)
            .await
        {
            Ok(answer) => Some(knowledge(answer)),
            Err(unavailable) => {
                tracing::warn!(%unavailable, environment = environment.as_str(), "status not available");
                None
            }
        }
    }
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

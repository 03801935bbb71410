//! What the lists said at an earlier time.
//!
//! An entry leaves its list when its certificate has ended, and old signatures are asked about afterwards (F053). So the question
//! goes to the version that was in force then, never to the present list: the newest one whose thisUpdate is not after the time
//! that is asked about.

use std::sync::Arc;

use warikan_contracts::{
    api::{KnownState, StatusAnswer},
    facts::Channel,
};
use warikan_types::{CertificateId, CrlPartition, Environment, Serial, Timestamp};

use crate::{
    Revocation,
    diff::Revocation as Said,
    entity::crl_version,
    error::Error,
    status::{ListKey, ListStatus, weightiest},
    store::{lists, snapshots},
    table::Past,
};

impl Revocation {
    /// What was known at `at` of a certificate, by the lists of then. Where both its partition's list and the undivided one cover it,
    /// *revoked* wins and otherwise the later list speaks, as at present. `None`: no list of that time covers it.
    ///
    /// # Errors
    /// [`Error::NoStatus`]: the archive cannot tell. The database failed.
    pub async fn status_as_of(
        &self,
        environment: Environment,
        certificate: &CertificateId,
        partition: Option<CrlPartition>,
        at: Timestamp,
    ) -> Result<Option<StatusAnswer>, Error> {
        self.catch_up(self.0.db.worker()).await?;
        let mut answers = Vec::new();
        for list in self.covering(environment, certificate, partition) {
            answers.extend(self.past_answer(&list, &certificate.serial, at).await?);
        }
        Ok(weightiest(answers.into_iter()))
    }

    /// thisUpdate of the first list that covers the certificate.
    pub(crate) async fn first_list(
        &self,
        environment: Environment,
        certificate: &CertificateId,
        partition: Option<CrlPartition>,
    ) -> Result<Option<Timestamp>, Error> {
        let mut first = None;
        for list in self.covering(environment, certificate, partition) {
            let version = lists::versions(self.0.db.worker(), list.id, [1])
                .await?
                .pop();
            let of = version.map(|version| Timestamp::new(version.this_update));
            first = first.into_iter().chain(of).min();
        }
        Ok(first)
    }

    /// The lists of the certificate's partition and of all of its issuer's.
    fn covering(
        &self,
        environment: Environment,
        certificate: &CertificateId,
        partition: Option<CrlPartition>,
    ) -> impl Iterator<Item = Arc<ListStatus>> + use<> {
        let issuer = certificate.issuer;
        let get = |partition| {
            self.0.status.get(&ListKey {
                environment,
                issuer,
                partition,
            })
        };
        let own = partition.and_then(|one| get(Some(one)));
        own.into_iter().chain(get(None))
    }

    async fn past_answer(
        &self,
        list: &Arc<ListStatus>,
        serial: &Serial,
        at: Timestamp,
    ) -> Result<Option<StatusAnswer>, Error> {
        let version = lists::version_at(self.0.db.worker(), list.id, at).await?;
        let Some(version) = version.filter(|version| version.seq <= list.seq) else {
            return Ok(None);
        };
        let said = self.past(list, &version, serial).await?;
        Ok(Some(StatusAnswer {
            state: match said {
                None => KnownState::Good,
                Some(Said { reason, revoked_at }) => KnownState::Revoked { reason, revoked_at },
            },
            channel: Channel::Crl,
            this_update: Timestamp::new(version.this_update),
            next_update: Timestamp::new(version.next_update),
            version: version.version,
        }))
    }

    async fn past(
        &self,
        list: &ListStatus,
        version: &crl_version::Model,
        serial: &Serial,
    ) -> Result<Option<Said>, Error> {
        let seq = snapshots::version(version.seq).map_err(|_| Error::NoStatus)?;
        let row = match list.table.past(serial, seq) {
            Past::Unnamed => return Ok(None),
            Past::Named(said) | Past::Left(said) => return Ok(Some(said)),
            Past::Changed(row) => row,
        };
        let after = [(list.id, version.seq + 1)];
        let stored = snapshots::stored(self.0.db.worker(), &after).await?;
        let (changes, lost) = stored
            .get(&list.id)
            .map(snapshots::Stored::readable_changes)
            .unwrap_or_default();
        // A change that cannot be read may be the one that is asked about.
        if lost > 0 {
            return Err(Error::NoStatus);
        }
        let before = changes.iter().find_map(|(_, change)| change.before(serial));
        Ok(Some(before.map_or(row.said, |(said, _)| said)))
    }
}

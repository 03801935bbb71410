//! A look-up that a tenant asks for: one of its watched certificates, now.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use warikan_contracts::{
    api::{KnownState, StatusAnswer},
    facts::{Channel, CheckedCertificate},
};
use warikan_http::{Answer, Idempotency};
use warikan_messaging::Outbox;
use warikan_types::{
    BillingMonth, CertificateHandle, CertificateId, Id, Request, RevocationReason, TenantScope,
    Timestamp,
};

use crate::{
    Revocation,
    entity::{status_check, watch},
    error::Error,
    store::{checks, issuer_of, kind_of, partition_of, reason_of, serial_of, watches},
};

/// What a look-up found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CheckState {
    /// Its list is in force and does not name it.
    Good,
    /// Its list names it.
    Revoked,
    /// Its list does not name it, but is past its nextUpdate and so no longer says that it is good.
    Unknown,
}

impl CheckState {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Revoked => "revoked",
            Self::Unknown => "unknown",
        }
    }
}

/// A certificate's status at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct StatusView {
    /// What was found.
    pub(crate) state: CheckState,
    /// Where it was looked up.
    pub(crate) channel: Channel,
    /// As of when the source speaks.
    pub(crate) this_update: Timestamp,
    /// Until when it is in force.
    pub(crate) next_update: Timestamp,
    /// Seconds from `this_update` to the look-up.
    pub(crate) age_seconds: i64,
    /// When it was revoked, as the issuer says.
    pub(crate) revoked_at: Option<Timestamp>,
    /// Why it was revoked.
    pub(crate) revocation_reason: Option<RevocationReason>,
    /// Names the exact version of the source.
    pub(crate) source_version: String,
    /// When it was looked up.
    pub(crate) checked_at: Timestamp,
}

impl StatusView {
    /// From a row.
    pub(crate) fn of(row: &status_check::Model) -> Result<Self, Error> {
        let state = match row.state.as_str() {
            "good" => CheckState::Good,
            "revoked" => CheckState::Revoked,
            _ => CheckState::Unknown,
        };
        Ok(Self {
            state,
            channel: if row.channel == Channel::Ocsp.as_str() {
                Channel::Ocsp
            } else {
                Channel::Crl
            },
            this_update: Timestamp::new(row.this_update),
            next_update: Timestamp::new(row.next_update),
            age_seconds: row.age_seconds,
            revoked_at: row.revoked_at.map(Timestamp::new),
            revocation_reason: row.reason.map(reason_of).transpose()?,
            source_version: row.version.clone(),
            checked_at: Timestamp::new(row.checked_at),
        })
    }
}

impl Revocation {
    /// Looks a watched certificate up, keeps what was found, and tells billing. 200 with the status.
    pub(crate) async fn check_certificate(
        &self,
        scope: TenantScope,
        handle: CertificateHandle,
        once: Idempotency,
    ) -> Result<Answer, Error> {
        let now = self.0.platform.clock().now();
        let txn = self.0.db.begin_write(scope).await?;
        if let Some(answer) = once.claim(&txn, now).await? {
            txn.rollback().await?;
            return Ok(answer);
        }
        let watched = watches::of_certificate(scope, &txn, handle, 1)
            .await?
            .pop()
            .ok_or(Error::NotFound)?;
        let found = self.look_up(scope, &watched)?;
        let at = self.time_of(scope.environment());
        let id: Id<Request> = self.0.platform.entropy.id(now);
        let row = row_of(scope, id.uuid(), handle, &found, at);
        let answer = Answer::json(200, &StatusView::of(&row)?);
        let answered = row.state != CheckState::Unknown.as_str();
        checks::insert(&txn, row).await?;
        let checked = CheckedCertificate {
            handle,
            kind: kind_of(&watched.kind)?,
        };
        // What could not be found out is no answer, and costs nothing.
        if answered {
            let fact = self.status_checked(scope, BillingMonth::of(now), vec![checked]);
            Outbox::append(&txn, [fact]).await?;
        }
        once.keep(&txn, &answer).await?;
        txn.commit().await?;
        self.0.relay.wake();
        Ok(answer)
    }

    fn look_up(&self, scope: TenantScope, row: &watch::Model) -> Result<StatusAnswer, Error> {
        let certificate = CertificateId {
            issuer: issuer_of(&row.issuer)?,
            serial: serial_of(&row.serial)?,
        };
        let partition = partition_of(&row.partition)?;
        self.0
            .status
            .by_list(scope.environment(), &certificate, partition)
            .ok_or(Error::NoStatus)
    }
}

fn row_of(
    scope: TenantScope,
    id: Uuid,
    handle: CertificateHandle,
    found: &StatusAnswer,
    at: Timestamp,
) -> status_check::Model {
    let (state, revoked) = match &found.state {
        KnownState::Revoked { reason, revoked_at } => {
            (CheckState::Revoked, Some((*reason, *revoked_at)))
        }
        // A list past its nextUpdate says good of nothing (F041).
        KnownState::Good if at <= found.next_update => (CheckState::Good, None),
        KnownState::Good | KnownState::Unknown => (CheckState::Unknown, None),
    };
    status_check::Model {
        id,
        tenant: scope.tenant().uuid(),
        environment: scope.environment().as_str().to_owned(),
        handle: handle.uuid(),
        state: state.as_str().to_owned(),
        channel: found.channel.as_str().to_owned(),
        reason: revoked.map(|(reason, _)| i16::from(reason.code())),
        revoked_at: revoked.map(|(_, revoked_at)| revoked_at.utc()),
        this_update: found.this_update.utc(),
        next_update: found.next_update.utc(),
        age_seconds: i64::try_from(at.since(found.this_update).as_secs()).unwrap_or(i64::MAX),
        version: found.version.clone(),
        checked_at: at.utc(),
    }
}

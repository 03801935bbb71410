//! The only file that asks the database.

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
    sea_query::{Expr, OnConflict},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use warikan_types::{
    CertificateHandle, CertificateId, CertificateKind, ChallengeId, CrlPartition, Sealer,
    SubjectId, TenantScope, Timestamp, Verdict, VerificationId,
};

use crate::{
    entity::{challenge, subject, subject_certificate, verification},
    error::Error,
};

pub(crate) use crate::entity::{
    challenge::Model as ChallengeRow, subject::Model as SubjectRow,
    subject_certificate::Model as CertificateRow, verification::Model as VerificationRow,
};

/// A certificate that an anchor vouches for.
pub(crate) struct KnownCertificate {
    pub(crate) handle: CertificateHandle,
    pub(crate) id: CertificateId,
    pub(crate) partition: Option<CrlPartition>,
    pub(crate) kind: CertificateKind,
    pub(crate) not_after: Timestamp,
}

/// What is sealed of a certificate's identity.
#[derive(Serialize, Deserialize)]
pub(crate) struct SealedIdentity {
    pub(crate) id: CertificateId,
    pub(crate) partition: Option<CrlPartition>,
}

/// A verification's row.
pub(crate) struct NewVerification {
    pub(crate) id: VerificationId,
    pub(crate) verdict: Verdict,
    pub(crate) subject: Option<SubjectId>,
    pub(crate) accepted_at: Timestamp,
    pub(crate) answer: Vec<u8>,
    pub(crate) evidence: Vec<u8>,
}

fn identity_place(scope: TenantScope, handle: CertificateHandle) -> String {
    format!(
        "subject_certificate/{}/{}/{handle}",
        scope.tenant(),
        scope.environment().as_str()
    )
}

fn reference_place(scope: TenantScope, id: Uuid) -> String {
    format!(
        "subject/{}/{}/{id}",
        scope.tenant(),
        scope.environment().as_str()
    )
}

pub(crate) async fn insert_challenge(
    on: &DatabaseTransaction,
    row: ChallengeRow,
) -> Result<(), DbErr> {
    challenge::Entity::insert(challenge::ActiveModel::from(row))
        .exec_without_returning(on)
        .await?;
    Ok(())
}

pub(crate) async fn challenge<C: ConnectionTrait>(
    on: &C,
    scope: TenantScope,
    id: ChallengeId,
) -> Result<Option<ChallengeRow>, DbErr> {
    challenge::Entity::find_by_id(id.uuid())
        .filter(challenge::Column::Tenant.eq(scope.tenant().uuid()))
        .filter(challenge::Column::Environment.eq(scope.environment().as_str()))
        .one(on)
        .await
}

/// The same, for the answer that would use it: of several at once the next waits until this transaction ends, and then sees
/// what it did (F020).
pub(crate) async fn challenge_to_use(
    on: &DatabaseTransaction,
    scope: TenantScope,
    id: ChallengeId,
) -> Result<Option<ChallengeRow>, DbErr> {
    challenge::Entity::find_by_id(id.uuid())
        .filter(challenge::Column::Tenant.eq(scope.tenant().uuid()))
        .filter(challenge::Column::Environment.eq(scope.environment().as_str()))
        .lock_exclusive()
        .one(on)
        .await
}

/// Consumes a challenge that the same transaction has seen unused.
pub(crate) async fn use_challenge(
    on: &DatabaseTransaction,
    scope: TenantScope,
    id: ChallengeId,
    by: Uuid,
) -> Result<(), DbErr> {
    challenge::Entity::update_many()
        .filter(challenge::Column::Id.eq(id.uuid()))
        .filter(challenge::Column::Tenant.eq(scope.tenant().uuid()))
        .filter(challenge::Column::UsedBy.is_null())
        .col_expr(challenge::Column::UsedBy, Expr::value(Some(by)))
        .exec(on)
        .await?;
    Ok(())
}

/// Removes challenges whose time was over before `before`.
pub(crate) async fn prune_challenges<C: ConnectionTrait>(
    on: &C,
    before: Timestamp,
) -> Result<(), DbErr> {
    challenge::Entity::delete_many()
        .filter(challenge::Column::ExpiresAt.lt(before.utc()))
        .exec(on)
        .await?;
    Ok(())
}

pub(crate) async fn insert_verification(
    on: &DatabaseTransaction,
    scope: TenantScope,
    new: NewVerification,
) -> Result<(), DbErr> {
    let row = verification::ActiveModel {
        id: Set(new.id.uuid()),
        tenant: Set(scope.tenant().uuid()),
        environment: Set(scope.environment().as_str().to_owned()),
        verdict: Set(new.verdict.as_str().to_owned()),
        subject: Set(new.subject.map(|subject| subject.uuid())),
        accepted_at: Set(new.accepted_at.utc()),
        answer: Set(new.answer),
        evidence: Set(new.evidence),
    };
    verification::Entity::insert(row)
        .exec_without_returning(on)
        .await?;
    Ok(())
}

pub(crate) async fn verification<C: ConnectionTrait>(
    on: &C,
    scope: TenantScope,
    id: VerificationId,
) -> Result<VerificationRow, Error> {
    verification::Entity::find_by_id(id.uuid())
        .filter(verification::Column::Tenant.eq(scope.tenant().uuid()))
        .filter(verification::Column::Environment.eq(scope.environment().as_str()))
        .one(on)
        .await?
        .ok_or(Error::NotFound)
}

/// Verifications that were not erased, oldest first.
pub(crate) async fn verifications<C: ConnectionTrait>(
    on: &C,
    scope: TenantScope,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<VerificationRow>, DbErr> {
    let mut find = verification::Entity::find()
        .filter(verification::Column::Tenant.eq(scope.tenant().uuid()))
        .filter(verification::Column::Environment.eq(scope.environment().as_str()))
        .filter(verification::Column::Answer.ne(Vec::<u8>::new()));
    if let Some(after) = after {
        find = find.filter(verification::Column::Id.gt(after));
    }
    find.order_by_asc(verification::Column::Id)
        .limit(limit)
        .all(on)
        .await
}

pub(crate) async fn subject<C: ConnectionTrait>(
    on: &C,
    scope: TenantScope,
    id: SubjectId,
) -> Result<SubjectRow, Error> {
    subject::Entity::find_by_id(id.uuid())
        .filter(subject::Column::Tenant.eq(scope.tenant().uuid()))
        .filter(subject::Column::Environment.eq(scope.environment().as_str()))
        .one(on)
        .await?
        .ok_or(Error::NotFound)
}

/// The same, for its erasure: verifications that are being written about it are waited for, later ones wait.
pub(crate) async fn subject_to_change(
    on: &DatabaseTransaction,
    scope: TenantScope,
    id: SubjectId,
) -> Result<SubjectRow, Error> {
    subject::Entity::find_by_id(id.uuid())
        .filter(subject::Column::Tenant.eq(scope.tenant().uuid()))
        .filter(subject::Column::Environment.eq(scope.environment().as_str()))
        .lock_exclusive()
        .one(on)
        .await?
        .ok_or(Error::NotFound)
}

pub(crate) async fn subjects<C: ConnectionTrait>(
    on: &C,
    scope: TenantScope,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<SubjectRow>, DbErr> {
    let mut find = subject::Entity::find()
        .filter(subject::Column::Tenant.eq(scope.tenant().uuid()))
        .filter(subject::Column::Environment.eq(scope.environment().as_str()));
    if let Some(after) = after {
        find = find.filter(subject::Column::Id.gt(after));
    }
    find.order_by_asc(subject::Column::Id)
        .limit(limit)
        .all(on)
        .await
}

pub(crate) async fn subject_by_reference(
    on: &DatabaseTransaction,
    scope: TenantScope,
    fingerprint: &[u8],
) -> Result<Option<SubjectRow>, DbErr> {
    subject::Entity::find()
        .filter(subject::Column::Tenant.eq(scope.tenant().uuid()))
        .filter(subject::Column::Environment.eq(scope.environment().as_str()))
        .filter(subject::Column::ReferenceDigest.eq(fingerprint.to_vec()))
        .lock_shared()
        .one(on)
        .await
}

/// The subject that has the certificate. Its erasure waits until the transaction ends, and so finds what that wrote about it; one
/// that was erased a moment ago is not found.
pub(crate) async fn subject_of_certificate(
    on: &DatabaseTransaction,
    scope: TenantScope,
    handle: CertificateHandle,
) -> Result<Option<SubjectRow>, DbErr> {
    let row = subject_certificate::Entity::find_by_id(handle.uuid())
        .filter(subject_certificate::Column::Tenant.eq(scope.tenant().uuid()))
        .one(on)
        .await?;
    match row {
        Some(row) => {
            subject::Entity::find_by_id(row.subject)
                .filter(subject::Column::ErasedAt.is_null())
                .lock_shared()
                .one(on)
                .await
        }
        None => Ok(None),
    }
}

pub(crate) async fn insert_subject(
    on: &DatabaseTransaction,
    sealer: &Sealer,
    scope: TenantScope,
    id: SubjectId,
    reference: Option<(&str, Vec<u8>)>,
    at: Timestamp,
) -> Result<(), DbErr> {
    let (text, digest) = reference.unzip();
    let place = reference_place(scope, id.uuid());
    let row = subject::ActiveModel {
        id: Set(id.uuid()),
        tenant: Set(scope.tenant().uuid()),
        environment: Set(scope.environment().as_str().to_owned()),
        reference_digest: Set(digest),
        reference: Set(text.map(|text| sealer.seal(&place, text.as_bytes()))),
        created_at: Set(at.utc()),
        erased_at: Set(None),
    };
    subject::Entity::insert(row)
        .exec_without_returning(on)
        .await?;
    Ok(())
}

/// The tenant's customer number of a subject.
pub(crate) fn reference(
    sealer: &Sealer,
    scope: TenantScope,
    row: &SubjectRow,
) -> Result<Option<String>, Error> {
    row.reference
        .as_ref()
        .map(|sealed| {
            let plain = sealer.open(&reference_place(scope, row.id), sealed)?;
            String::from_utf8(plain).map_err(|_| Error::Damaged("subject.reference"))
        })
        .transpose()
}

pub(crate) async fn insert_certificate(
    on: &DatabaseTransaction,
    sealer: &Sealer,
    scope: TenantScope,
    subject: SubjectId,
    known: &KnownCertificate,
) -> Result<(), Error> {
    let identity = SealedIdentity {
        id: known.id.clone(),
        partition: known.partition,
    };
    let plain = serde_json::to_vec(&identity).map_err(|_| Error::Damaged("identity"))?;
    let row = subject_certificate::ActiveModel {
        handle: Set(known.handle.uuid()),
        tenant: Set(scope.tenant().uuid()),
        environment: Set(scope.environment().as_str().to_owned()),
        subject: Set(subject.uuid()),
        kind: Set(known.kind.as_str().to_owned()),
        not_after: Set(known.not_after.utc()),
        identity: Set(sealer.seal(&identity_place(scope, known.handle), &plain)),
    };
    subject_certificate::Entity::insert(row)
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(on)
        .await?;
    Ok(())
}

pub(crate) async fn certificates_of<C: ConnectionTrait>(
    on: &C,
    scope: TenantScope,
    subject: Uuid,
) -> Result<Vec<CertificateRow>, DbErr> {
    subject_certificate::Entity::find()
        .filter(subject_certificate::Column::Tenant.eq(scope.tenant().uuid()))
        .filter(subject_certificate::Column::Environment.eq(scope.environment().as_str()))
        .filter(subject_certificate::Column::Subject.eq(subject))
        .order_by_asc(subject_certificate::Column::NotAfter)
        .all(on)
        .await
}

/// Opens a certificate's identity.
pub(crate) fn identity(
    sealer: &Sealer,
    scope: TenantScope,
    row: &CertificateRow,
) -> Result<SealedIdentity, Error> {
    let handle = CertificateHandle::from_uuid(row.handle);
    let plain = sealer.open(&identity_place(scope, handle), &row.identity)?;
    serde_json::from_slice(&plain).map_err(|_| Error::Damaged("subject_certificate.identity"))
}

/// Erases a subject: reference, certificate identities, answers and evidence are gone, the tombstone stays.
pub(crate) async fn erase_subject(
    on: &DatabaseTransaction,
    scope: TenantScope,
    id: SubjectId,
    at: Timestamp,
) -> Result<(), DbErr> {
    let tenant = scope.tenant().uuid();
    subject::Entity::update_many()
        .filter(subject::Column::Id.eq(id.uuid()))
        .filter(subject::Column::Tenant.eq(tenant))
        .col_expr(subject::Column::ErasedAt, Expr::value(Some(at.utc())))
        .col_expr(
            subject::Column::Reference,
            Expr::value(Option::<Vec<u8>>::None),
        )
        .col_expr(
            subject::Column::ReferenceDigest,
            Expr::value(Option::<Vec<u8>>::None),
        )
        .exec(on)
        .await?;
    subject_certificate::Entity::delete_many()
        .filter(subject_certificate::Column::Subject.eq(id.uuid()))
        .filter(subject_certificate::Column::Tenant.eq(tenant))
        .exec(on)
        .await?;
    verification::Entity::update_many()
        .filter(verification::Column::Subject.eq(id.uuid()))
        .filter(verification::Column::Tenant.eq(tenant))
        .col_expr(verification::Column::Answer, Expr::value(Vec::<u8>::new()))
        .col_expr(
            verification::Column::Evidence,
            Expr::value(Vec::<u8>::new()),
        )
        .exec(on)
        .await?;
    Ok(())
}

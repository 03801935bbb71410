//! The only place that asks the database.

mod batch;

use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, FromQueryResult,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait, sea_query::Expr,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use warikan_types::{
    CertificateHandle, CertificateId, CertificateKind, ChallengeId, CrlPartition, Sealer,
    SubjectId, TenantScope, Timestamp, VerificationId,
};

use crate::{
    entity::{challenge, subject, subject_certificate, verification},
    error::Error,
};

pub(crate) use self::batch::{
    NewCertificate, NewSubject, NewVerification, SubjectOfCertificate, ask_challenges,
    ask_subjects, certificates_of_subjects, challenges_to_use, insert_certificates,
    insert_challenges, insert_subjects, insert_verifications, subjects_by_reference,
    subjects_of_certificates, use_challenges,
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
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
}

/// What is sealed of a certificate's identity.
#[derive(Serialize, Deserialize)]
pub(crate) struct SealedIdentity {
    pub(crate) id: CertificateId,
    pub(crate) partition: Option<CrlPartition>,
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

/// Challenges removed with one statement: requests wait no longer for it than for a commit.
const PRUNED: u64 = 1_000;

/// Removes some challenges whose time was over before `before`, and says whether there may be more. Their ids begin with the moment at which
/// they were made, so that the key alone says where the old ones are.
pub(crate) async fn prune_challenges<C: ConnectionTrait>(
    on: &C,
    before: Timestamp,
) -> Result<bool, DbErr> {
    let made = u64::try_from(before.unix_millis()).unwrap_or(0);
    // RFC 9562 5.7: 48 bits of milliseconds come first.
    let first = Uuid::from_u128(u128::from(made) << 80);
    let old = challenge::Entity::find()
        .select_only()
        .column(challenge::Column::Id)
        .filter(challenge::Column::Id.lt(first))
        .filter(challenge::Column::ExpiresAt.lt(before.utc()))
        .limit(PRUNED)
        .into_query();
    let removed = challenge::Entity::delete_many()
        .filter(challenge::Column::Id.in_subquery(old))
        .exec(on)
        .await?;
    Ok(removed.rows_affected >= PRUNED)
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
        .filter(verification::Column::Evidence.ne(Vec::<u8>::new()));
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

/// A subject's verifications, as their erasure needs them.
#[derive(Debug, FromQueryResult)]
pub(crate) struct VerificationOfSubject {
    pub(crate) id: Uuid,
    pub(crate) accepted_at: sea_orm::prelude::DateTimeUtc,
}

pub(crate) async fn verifications_of(
    on: &DatabaseTransaction,
    scope: TenantScope,
    subject: SubjectId,
) -> Result<Vec<VerificationOfSubject>, DbErr> {
    verification::Entity::find()
        .select_only()
        .column(verification::Column::Id)
        .column(verification::Column::AcceptedAt)
        .filter(verification::Column::Subject.eq(subject.uuid()))
        .filter(verification::Column::Tenant.eq(scope.tenant().uuid()))
        .into_model::<VerificationOfSubject>()
        .all(on)
        .await
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

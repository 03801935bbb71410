//! Persons whom a tenant had erased.

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect,
    UpdateMany,
    sea_query::{Expr, OnConflict},
};
use uuid::Uuid;
use warikan_http::erase_answers_about;
use warikan_messaging::{Hold, hold};
use warikan_types::{CertificateHandle, Id, Subject, TenantScope, Timestamp};

use super::{CHUNK, renewals};
use crate::entity::{campaign_change, campaign_item, erased_subject, watch};

fn name(subject: Id<Subject>) -> String {
    format!("subject/{subject}")
}

/// Remembers that a person was erased.
pub(crate) async fn remember<C: ConnectionTrait>(
    db: &C,
    subject: Id<Subject>,
    now: Timestamp,
) -> Result<(), DbErr> {
    // A watch of that person that is being started is waited for, and then ended; one that starts later finds the memory.
    hold(db, &name(subject), Hold::Exclusive).await?;
    erased_subject::Entity::insert(erased_subject::ActiveModel {
        subject: Set(subject.uuid()),
        erased_at: Set(now.utc()),
    })
    .on_conflict(OnConflict::new().do_nothing().to_owned())
    .exec_without_returning(db)
    .await?;
    Ok(())
}

/// Whether a person was erased.
pub(crate) async fn is_erased<C: ConnectionTrait>(
    db: &C,
    subject: Id<Subject>,
) -> Result<bool, DbErr> {
    hold(db, &name(subject), Hold::Shared).await?;
    erased_subject::Entity::find_by_id(subject.uuid())
        .one(db)
        .await
        .map(|found| found.is_some())
}

/// Ends the tenant's watches of a person and of these certificates, where they have not ended, and erases what names the person
/// or the certificate: reference, issuer and serial. A tombstone with handle and dates stays.
pub(crate) async fn erase<C: ConnectionTrait>(
    scope: TenantScope,
    db: &C,
    subject: Id<Subject>,
    certificates: &[CertificateHandle],
    now: Timestamp,
) -> Result<(), DbErr> {
    let of_subject = Condition::all().add(watch::Column::Subject.eq(subject.uuid()));
    erase_where(scope, db, of_subject, now).await?;
    for chunk in certificates.chunks(CHUNK) {
        let handles: Vec<Uuid> = chunk.iter().map(|handle| handle.uuid()).collect();
        erase_from_campaigns(scope, db, &handles).await?;
        renewals::forget(scope, db, &handles).await?;
        let of_certificates = Condition::all().add(watch::Column::Handle.is_in(handles));
        erase_where(scope, db, of_certificates, now).await?;
    }
    Ok(())
}

/// A campaign's result keeps the handle, which names nobody any more; the customer number goes, and a certificate that still waits
/// to be checked.
async fn erase_from_campaigns<C: ConnectionTrait>(
    scope: TenantScope,
    db: &C,
    handles: &[Uuid],
) -> Result<(), DbErr> {
    campaign_item::Entity::delete_many()
        .filter(campaign_item::Column::Tenant.eq(scope.tenant().uuid()))
        .filter(campaign_item::Column::Handle.is_in(handles.iter().copied()))
        .exec(db)
        .await?;
    campaign_change::Entity::update_many()
        .col_expr(
            campaign_change::Column::Reference,
            Expr::value(Option::<Vec<u8>>::None),
        )
        .filter(campaign_change::Column::Tenant.eq(scope.tenant().uuid()))
        .filter(campaign_change::Column::Handle.is_in(handles.iter().copied()))
        .exec(db)
        .await?;
    Ok(())
}

async fn erase_where<C: ConnectionTrait>(
    scope: TenantScope,
    db: &C,
    which: Condition,
    now: Timestamp,
) -> Result<(), DbErr> {
    let theirs = || {
        Condition::all()
            .add(watch::Column::Tenant.eq(scope.tenant().uuid()))
            .add(watch::Column::Environment.eq(scope.environment().as_str()))
            .add(which.clone())
    };
    watch::Entity::update_many()
        .col_expr(watch::Column::EndedAt, Expr::value(Some(now.utc())))
        .filter(theirs())
        .filter(watch::Column::EndedAt.is_null())
        .exec(db)
        .await?;
    let named = watch::Entity::find()
        .select_only()
        .column(watch::Column::Id)
        .filter(theirs())
        .into_tuple::<Uuid>()
        .all(db)
        .await?;
    erase_answers_about(db, &named).await?;
    emptied().filter(theirs()).exec(db).await?;
    Ok(())
}

/// Erases what these watches hold that names a person or a certificate.
pub(crate) async fn empty<C: ConnectionTrait>(db: &C, watches: &[Uuid]) -> Result<(), DbErr> {
    erase_answers_about(db, watches).await?;
    emptied()
        .filter(watch::Column::Id.is_in(watches.iter().copied()))
        .exec(db)
        .await?;
    Ok(())
}

fn emptied() -> UpdateMany<watch::Entity> {
    watch::Entity::update_many()
        .col_expr(
            watch::Column::Reference,
            Expr::value(Option::<Vec<u8>>::None),
        )
        .col_expr(
            watch::Column::ReferenceKey,
            Expr::value(Option::<Vec<u8>>::None),
        )
        .col_expr(watch::Column::Issuer, Expr::value(String::new()))
        .col_expr(watch::Column::Serial, Expr::value(Vec::<u8>::new()))
        .col_expr(watch::Column::Subject, Expr::value(Option::<Uuid>::None))
}

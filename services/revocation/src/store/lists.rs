//! Lists and their versions.

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait,
    IntoActiveModel, QueryFilter, QueryOrder, sea_query::Expr,
};
use uuid::Uuid;
use warikan_types::{BillingMonth, Timestamp};

use super::{CHUNK, environment_of, issuer_of, partition_of, partition_text};
use crate::{
    diff::{Change, Kind},
    entity::{crl_partition, crl_version},
    status::ListKey,
};

/// The list with this key, if one was ever accepted.
pub(crate) async fn find<C: ConnectionTrait>(
    db: &C,
    key: &ListKey,
) -> Result<Option<crl_partition::Model>, DbErr> {
    crl_partition::Entity::find()
        .filter(crl_partition::Column::Environment.eq(key.environment.as_str()))
        .filter(crl_partition::Column::Issuer.eq(key.issuer.to_string()))
        .filter(crl_partition::Column::Partition.eq(partition_text(key.partition)))
        .one(db)
        .await
}

/// All lists, in the order of their first acceptance.
pub(crate) async fn all<C: ConnectionTrait>(db: &C) -> Result<Vec<crl_partition::Model>, DbErr> {
    crl_partition::Entity::find()
        .order_by_asc(crl_partition::Column::Id)
        .all(db)
        .await
}

/// Lists whose newest entries have not been joined with the watches yet.
pub(crate) async fn unflagged<C: ConnectionTrait>(
    db: &C,
) -> Result<Vec<crl_partition::Model>, DbErr> {
    crl_partition::Entity::find()
        .filter(sea_orm::ExprTrait::lt(
            Expr::col(crl_partition::Column::FlaggedThrough),
            Expr::col(crl_partition::Column::Seq),
        ))
        .order_by_asc(crl_partition::Column::Id)
        .all(db)
        .await
}

/// Remembers up to which version the watches have been joined.
pub(crate) async fn flagged<C: ConnectionTrait>(
    db: &C,
    list: Uuid,
    through: i64,
) -> Result<(), DbErr> {
    crl_partition::Entity::update_many()
        .col_expr(crl_partition::Column::FlaggedThrough, Expr::value(through))
        .filter(crl_partition::Column::Id.eq(list))
        .filter(crl_partition::Column::FlaggedThrough.lt(through))
        .exec(db)
        .await?;
    Ok(())
}

/// Writes a new version of a list, the first or a later one, and its line in the history.
pub(crate) async fn keep<C: ConnectionTrait>(
    db: &C,
    first: bool,
    list: crl_partition::Model,
    version: crl_version::Model,
) -> Result<(), DbErr> {
    crl_version::Entity::insert(version.into_active_model())
        .exec_without_returning(db)
        .await?;
    let row = list.into_active_model();
    if first {
        crl_partition::Entity::insert(row)
            .exec_without_returning(db)
            .await?;
    } else {
        row.reset_all().update(db).await?;
    }
    Ok(())
}

/// The version of a list that was the newest at `at` by its thisUpdate.
pub(crate) async fn version_at<C: ConnectionTrait>(
    db: &C,
    list: Uuid,
    at: Timestamp,
) -> Result<Option<crl_version::Model>, DbErr> {
    crl_version::Entity::find()
        .filter(crl_version::Column::PartitionId.eq(list))
        .filter(crl_version::Column::ThisUpdate.lte(at.utc()))
        .order_by_desc(crl_version::Column::Seq)
        .one(db)
        .await
}

/// The versions of a list that these numbers name.
pub(crate) async fn versions<C: ConnectionTrait>(
    db: &C,
    list: Uuid,
    numbers: impl IntoIterator<Item = i64> + Send,
) -> Result<Vec<crl_version::Model>, DbErr> {
    crl_version::Entity::find()
        .filter(crl_version::Column::PartitionId.eq(list))
        .filter(crl_version::Column::Seq.is_in(numbers))
        .all(db)
        .await
}

/// Notes that a sync found these lists in force this month: named by the index, and at `at` not past their nextUpdate. Writes
/// only where that is news.
pub(crate) async fn confirm<C: ConnectionTrait>(
    db: &C,
    lists: &[Uuid],
    month: BillingMonth,
    at: Timestamp,
) -> Result<(), DbErr> {
    for chunk in lists.chunks(CHUNK) {
        crl_partition::Entity::update_many()
            .col_expr(
                crl_partition::Column::ConfirmedMonth,
                Expr::value(month.to_string()),
            )
            .filter(crl_partition::Column::Id.is_in(chunk.iter().copied()))
            .filter(crl_partition::Column::ConfirmedMonth.ne(month.to_string()))
            .filter(crl_partition::Column::NextUpdate.gte(at.utc()))
            .exec(db)
            .await?;
    }
    Ok(())
}

/// Lists that changed after this change of the platform's knowledge, in the order of their changes.
pub(crate) async fn changed_after<C: ConnectionTrait>(
    db: &C,
    change: i64,
) -> Result<Vec<crl_partition::Model>, DbErr> {
    crl_partition::Entity::find()
        .filter(crl_partition::Column::Change.gt(change))
        .order_by_asc(crl_partition::Column::Change)
        .all(db)
        .await
}

/// Has the watches joined with everything a list names, from its first version on.
pub(crate) async fn unflag<C: ConnectionTrait>(db: &C, list: Uuid) -> Result<(), DbErr> {
    crl_partition::Entity::update_many()
        .col_expr(crl_partition::Column::FlaggedThrough, Expr::value(0))
        .filter(crl_partition::Column::Id.eq(list))
        .exec(db)
        .await?;
    Ok(())
}

/// Notes where a list's newest whole snapshot is now.
pub(crate) async fn settled<C: ConnectionTrait>(
    db: &C,
    list: Uuid,
    whole: i64,
    change: i64,
) -> Result<(), DbErr> {
    crl_partition::Entity::update_many()
        .col_expr(crl_partition::Column::WholeSeq, Expr::value(whole))
        .col_expr(crl_partition::Column::Loose, Expr::value(0))
        .col_expr(crl_partition::Column::Change, Expr::value(change))
        .filter(crl_partition::Column::Id.eq(list))
        .exec(db)
        .await?;
    Ok(())
}

/// The key of a stored list.
pub(crate) fn key_of(row: &crl_partition::Model) -> Result<ListKey, DbErr> {
    Ok(ListKey {
        environment: environment_of(&row.environment)?,
        issuer: issuer_of(&row.issuer)?,
        partition: partition_of(&row.partition)?,
    })
}

/// A version's line in the history. `change`: from the version before; without one everything is new.
pub(crate) fn history(
    list: &crl_partition::Model,
    entries: i64,
    change: Option<&Change>,
    accepted_at: Timestamp,
) -> crl_version::Model {
    let count = |kind| super::count(change.map_or(0, |change| change.count(kind)));
    let first = if change.is_none() { entries } else { 0 };
    crl_version::Model {
        partition_id: list.id,
        seq: list.seq,
        version: list.version.clone(),
        number: list.number.clone(),
        this_update: list.this_update,
        next_update: list.next_update,
        entries,
        added: count(Kind::Added) + first,
        changed: count(Kind::Changed) + count(Kind::Returned),
        vanished: count(Kind::Left),
        accepted_at: accepted_at.utc(),
    }
}

/// Notes a full re-check.
pub(crate) async fn rechecked<C: ConnectionTrait>(
    db: &C,
    id: Uuid,
    at: Timestamp,
    lists: usize,
    missed: u64,
) -> Result<(), DbErr> {
    use crate::entity::recheck_run;
    recheck_run::Entity::insert(recheck_run::ActiveModel {
        id: Set(id),
        finished_at: Set(at.utc()),
        lists: Set(super::count(lists)),
        missed: Set(i64::try_from(missed).unwrap_or(i64::MAX)),
    })
    .exec_without_returning(db)
    .await?;
    Ok(())
}

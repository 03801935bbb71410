//! Addresses of lists, and what was odd about them.

use std::collections::{HashMap, HashSet};

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
    sea_query::{Expr, OnConflict},
};
use uuid::Uuid;
use warikan_types::{Entropy, Environment, Id, Request, Timestamp};

use super::{CHUNK, snapshots::Form};
use crate::{
    accept_list::Offer,
    entity::{crl_partition, source_list, source_problem},
    problem::{ENTRIES_VANISHED, ListProblem},
};

/// An address with the list it brought last.
pub(crate) type Known = (source_list::Model, Option<crl_partition::Model>);

/// The addresses of an environment, by address.
pub(crate) async fn known<C: ConnectionTrait>(
    db: &C,
    environment: Environment,
) -> Result<HashMap<String, Known>, DbErr> {
    let rows = source_list::Entity::find()
        .filter(source_list::Column::Environment.eq(environment.as_str()))
        .all(db)
        .await?;
    Ok(with_lists(db, rows)
        .await?
        .into_iter()
        .map(|known| (known.0.url.clone(), known))
        .collect())
}

/// The row of an address.
pub(crate) async fn address<C: ConnectionTrait>(
    db: &C,
    environment: Environment,
    url: &str,
) -> Result<Option<source_list::Model>, DbErr> {
    source_list::Entity::find()
        .filter(source_list::Column::Environment.eq(environment.as_str()))
        .filter(source_list::Column::Url.eq(url))
        .one(db)
        .await
}

/// A page of all addresses.
pub(crate) async fn page<C: ConnectionTrait>(
    db: &C,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Known>, DbErr> {
    let mut query = source_list::Entity::find();
    if let Some(after) = after {
        query = query.filter(source_list::Column::Id.gt(after));
    }
    let rows = query
        .order_by_asc(source_list::Column::Id)
        .limit(limit)
        .all(db)
        .await?;
    with_lists(db, rows).await
}

async fn with_lists<C: ConnectionTrait>(
    db: &C,
    rows: Vec<source_list::Model>,
) -> Result<Vec<Known>, DbErr> {
    let ids: Vec<Uuid> = rows.iter().filter_map(|row| row.partition_id).collect();
    let mut lists = HashMap::new();
    for chunk in ids.chunks(CHUNK) {
        let found = crl_partition::Entity::find()
            .filter(crl_partition::Column::Id.is_in(chunk.iter().copied()))
            .all(db)
            .await?;
        lists.extend(found.into_iter().map(|list| (list.id, list)));
    }
    Ok(rows
        .into_iter()
        .map(|row| {
            let list = row.partition_id.and_then(|id| lists.get(&id).cloned());
            (row, list)
        })
        .collect())
}

/// Notes addresses that an index names for the first time; those already noted stay as they are.
pub(crate) async fn add<C: ConnectionTrait>(
    db: &C,
    rows: &[source_list::Model],
) -> Result<(), DbErr> {
    for chunk in rows.chunks(CHUNK) {
        let rows = chunk.iter().cloned().map(source_list::ActiveModel::from);
        source_list::Entity::insert_many(rows.map(sea_orm::ActiveModelTrait::reset_all))
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .exec_without_returning(db)
            .await?;
    }
    Ok(())
}

/// Notes which addresses the index names now.
pub(crate) async fn set_listed<C: ConnectionTrait>(
    db: &C,
    addresses: &[Uuid],
    listed: bool,
) -> Result<(), DbErr> {
    for chunk in addresses.chunks(CHUNK) {
        source_list::Entity::update_many()
            .col_expr(source_list::Column::Listed, Expr::value(listed))
            .filter(source_list::Column::Id.is_in(chunk.iter().copied()))
            .exec(db)
            .await?;
    }
    Ok(())
}

/// Whether another address of the same index brings this list in this form.
pub(crate) async fn claimed_elsewhere<C: ConnectionTrait>(
    db: &C,
    list: Uuid,
    here: Uuid,
    form: Form,
) -> Result<bool, DbErr> {
    source_list::Entity::find()
        .filter(source_list::Column::Form.eq(form.as_str()))
        .filter(source_list::Column::PartitionId.eq(list))
        .filter(source_list::Column::Listed.eq(true))
        .filter(source_list::Column::Id.ne(here))
        .one(db)
        .await
        .map(|found| found.is_some())
}

/// Notes which list an address brings, in which form and octets, and what the source calls them.
pub(crate) async fn claim<C: ConnectionTrait>(
    db: &C,
    offer: &Offer<'_>,
    list: Uuid,
) -> Result<(), DbErr> {
    let (brought, form) = (offer.list.version.clone(), offer.list.form().as_str());
    let validators = &offer.validators;
    source_list::Entity::update_many()
        .col_expr(source_list::Column::PartitionId, Expr::value(Some(list)))
        .col_expr(source_list::Column::Form, Expr::value(form))
        .col_expr(source_list::Column::Brought, Expr::value(Some(brought)))
        .col_expr(
            source_list::Column::Etag,
            Expr::value(validators.etag.clone()),
        )
        .col_expr(
            source_list::Column::LastModified,
            Expr::value(validators.last_modified.clone()),
        )
        .filter(source_list::Column::Id.eq(offer.address))
        .exec(db)
        .await?;
    Ok(())
}

/// Notes an oddity: a new row, or one more time in the open one.
pub(crate) async fn report<C: ConnectionTrait>(
    db: &C,
    environment: Environment,
    url: &str,
    problem: &ListProblem,
    now: Timestamp,
    entropy: &Entropy,
) -> Result<(), DbErr> {
    let again = source_problem::Entity::update_many()
        .col_expr(source_problem::Column::LastAt, Expr::value(now.utc()))
        .col_expr(
            source_problem::Column::Times,
            sea_orm::ExprTrait::add(Expr::col(source_problem::Column::Times), 1),
        )
        .col_expr(
            source_problem::Column::Detail,
            Expr::value(plain(&problem.to_string())),
        )
        .filter(open(environment, url))
        .filter(source_problem::Column::Code.eq(problem.code()))
        .exec(db)
        .await?;
    if again.rows_affected > 0 {
        return Ok(());
    }
    let id: Id<Request> = entropy.id(now);
    source_problem::Entity::insert(source_problem::ActiveModel {
        id: Set(id.uuid()),
        environment: Set(environment.as_str().to_owned()),
        url: Set(plain(url)),
        code: Set(problem.code().to_owned()),
        detail: Set(plain(&problem.to_string())),
        first_at: Set(now.utc()),
        last_at: Set(now.utc()),
        times: Set(1),
        resolved_at: Set(None),
    })
    .exec_without_returning(db)
    .await?;
    Ok(())
}

/// What others wrote, as PostgreSQL's text takes it: every character but one.
fn plain(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn open(environment: Environment, url: &str) -> Condition {
    Condition::all()
        .add(source_problem::Column::Environment.eq(environment.as_str()))
        .add(source_problem::Column::Url.eq(plain(url)))
        .add(source_problem::Column::ResolvedAt.is_null())
}

/// The addresses with an oddity that a good list settles.
pub(crate) async fn troubled<C: ConnectionTrait>(
    db: &C,
    environment: Environment,
) -> Result<HashSet<String>, DbErr> {
    Ok(source_problem::Entity::find()
        .filter(source_problem::Column::Environment.eq(environment.as_str()))
        .filter(source_problem::Column::ResolvedAt.is_null())
        .filter(source_problem::Column::Code.ne(ENTRIES_VANISHED))
        .all(db)
        .await?
        .into_iter()
        .map(|row| row.url)
        .collect())
}

/// Notes that an address is as it should be. Entries that vanished early stay open: a good list explains nothing.
pub(crate) async fn settle<C: ConnectionTrait>(
    db: &C,
    environment: Environment,
    url: &str,
    now: Timestamp,
) -> Result<(), DbErr> {
    source_problem::Entity::update_many()
        .col_expr(
            source_problem::Column::ResolvedAt,
            Expr::value(Some(now.utc())),
        )
        .filter(open(environment, url))
        .filter(source_problem::Column::Code.ne(ENTRIES_VANISHED))
        .exec(db)
        .await?;
    Ok(())
}

/// Oddities that last, of lists and of whole sources, the newest first; at most [`CHUNK`].
pub(crate) async fn open_problems<C: ConnectionTrait>(
    db: &C,
) -> Result<Vec<source_problem::Model>, DbErr> {
    source_problem::Entity::find()
        .filter(source_problem::Column::ResolvedAt.is_null())
        .order_by_desc(source_problem::Column::Id)
        .limit(CHUNK as u64)
        .all(db)
        .await
}

/// The last oddity of each of these addresses, open or settled.
pub(crate) async fn last_problems<C: ConnectionTrait>(
    db: &C,
    urls: &[String],
) -> Result<HashMap<(String, String), source_problem::Model>, DbErr> {
    let rows = source_problem::Entity::find()
        .filter(source_problem::Column::Url.is_in(urls.iter().cloned()))
        .order_by_asc(source_problem::Column::LastAt)
        .order_by_asc(source_problem::Column::Id)
        .all(db)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| ((row.environment.clone(), row.url.clone()), row))
        .collect())
}

//! Assertions that were shown already.

use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter,
    sea_query::OnConflict,
};
use warikan_types::{Client, Id, Timestamp};

use crate::{client_assertion::Spent, entity::assertion};

/// Remembers an assertion; false where it was shown before, to whichever replica.
pub(crate) async fn spend<C: ConnectionTrait>(
    on: &C,
    client: Id<Client>,
    spent: &Spent,
) -> Result<bool, DbErr> {
    let inserted = assertion::Entity::insert(assertion::ActiveModel {
        client: Set(client.uuid()),
        digest: Set(spent.digest.clone()),
        until: Set(spent.until.utc()),
    })
    .on_conflict(OnConflict::new().do_nothing().to_owned())
    .exec_without_returning(on)
    .await?;
    Ok(inserted == 1)
}

/// Forgets those that are over: they would be refused for their age.
pub(crate) async fn prune<C: ConnectionTrait>(on: &C, now: Timestamp) -> Result<u64, DbErr> {
    let gone = assertion::Entity::delete_many()
        .filter(assertion::Column::Until.lt(now.utc()))
        .exec(on)
        .await?;
    Ok(gone.rows_affected)
}

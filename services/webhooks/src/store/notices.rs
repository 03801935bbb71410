//! What the operator is told.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use crate::entity::notice;

pub(crate) async fn insert(txn: &DatabaseTransaction, row: notice::Model) -> Result<(), DbErr> {
    notice::Entity::insert(row.into_active_model())
        .exec_without_returning(txn)
        .await?;
    Ok(())
}

/// All tenants' notices after one, in the order of their making.
pub(crate) async fn list<C: ConnectionTrait>(
    db: &C,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<notice::Model>, DbErr> {
    let mut query = notice::Entity::find();
    if let Some(after) = after {
        query = query.filter(notice::Column::Id.gt(after));
    }
    query
        .order_by_asc(notice::Column::Id)
        .limit(limit)
        .all(db)
        .await
}

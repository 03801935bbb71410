//! Secrets that are sealed under the platform's key, as they were before tenants had keys of their own here.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, sea_query::Expr,
};
use uuid::Uuid;
use warikan_runtime::under_platform_key;

use crate::entity::endpoint::{Column, Entity, Model};

/// Endpoints that are looked at in one turn.
const CHUNK: u64 = 100;

/// The condition that an endpoint has such a secret; its index has the same.
pub(crate) fn condition(on: DbBackend) -> String {
    let secret = under_platform_key(on, "secret");
    let previous = under_platform_key(on, "previous_secret");
    format!("({secret} OR {previous})")
}

/// The next endpoints with such secrets.
pub(crate) async fn old<C: ConnectionTrait>(
    db: &C,
    after: Option<Uuid>,
) -> Result<Vec<Model>, DbErr> {
    let condition = condition(db.get_database_backend());
    let mut find = Entity::find().filter(Expr::cust(condition));
    if let Some(after) = after {
        find = find.filter(Column::Id.gt(after));
    }
    find.order_by_asc(Column::Id).limit(CHUNK).all(db).await
}

/// Puts other boxes in the place of these, where there are others; secrets that were rotated meanwhile stay.
pub(crate) async fn replace<C: ConnectionTrait>(
    db: &C,
    old: &Model,
    secret: Option<Vec<u8>>,
    previous: Option<Vec<u8>>,
) -> Result<(), DbErr> {
    if let Some(secret) = secret {
        Entity::update_many()
            .col_expr(Column::Secret, Expr::value(secret))
            .filter(Column::Id.eq(old.id))
            .filter(Column::Secret.eq(old.secret.clone()))
            .exec(db)
            .await?;
    }
    if let Some(previous) = previous {
        Entity::update_many()
            .col_expr(Column::PreviousSecret, Expr::value(Some(previous)))
            .filter(Column::Id.eq(old.id))
            .filter(Column::PreviousSecret.eq(old.previous_secret.clone()))
            .exec(db)
            .await?;
    }
    Ok(())
}

//! Keys for access tokens.

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder,
    sea_query::{Expr, OnConflict},
};
use warikan_types::Timestamp;

use crate::entity::token_key;

pub(crate) use crate::entity::token_key::Model as TokenKeyRow;

/// Those by which tokens are read, in the order in which they sign.
pub(crate) async fn not_over<C: ConnectionTrait>(
    on: &C,
    now: Timestamp,
) -> Result<Vec<TokenKeyRow>, DbErr> {
    token_key::Entity::find()
        .filter(
            Condition::any()
                .add(token_key::Column::Until.is_null())
                .add(token_key::Column::Until.gt(now.utc())),
        )
        .order_by_asc(token_key::Column::SignsFrom)
        .all(on)
        .await
}

/// Writes a key as it is now.
pub(crate) async fn put<C: ConnectionTrait>(on: &C, row: TokenKeyRow) -> Result<(), DbErr> {
    token_key::Entity::insert(row.into_active_model())
        .on_conflict(
            OnConflict::column(token_key::Column::Kid)
                .update_column(token_key::Column::Until)
                .to_owned(),
        )
        .exec_without_returning(on)
        .await?;
    Ok(())
}

/// Destroys the secret halves of keys that are over.
pub(crate) async fn destroy<C: ConnectionTrait>(on: &C, now: Timestamp) -> Result<(), DbErr> {
    token_key::Entity::update_many()
        .col_expr(token_key::Column::Sealed, Expr::value(Vec::<u8>::new()))
        .filter(token_key::Column::Until.lte(now.utc()))
        .filter(token_key::Column::Sealed.ne(Vec::<u8>::new()))
        .exec(on)
        .await?;
    Ok(())
}

//! Closed months.

use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait,
    QueryFilter, QuerySelect, sea_query::Expr,
};
use warikan_types::{BillingMonth, Timestamp, Yen};

use super::month;
use crate::{
    entity::{closed_month, ledger},
    error::BillingError,
};

/// A month that is closed, and what it came to.
#[derive(Debug, Clone)]
pub(crate) struct ClosedMonth {
    pub(crate) month: BillingMonth,
    pub(crate) closed_at: Timestamp,
    pub(crate) invoices: i64,
    pub(crate) subtotal: Yen,
    pub(crate) tax: Yen,
    pub(crate) total: Yen,
}

async fn read(
    db: &impl ConnectionTrait,
    query: sea_orm::Select<ledger::Entity>,
) -> Result<Option<BillingMonth>, BillingError> {
    let row = query.one(db).await?;
    row.and_then(|row| row.closed_through)
        .map(|text| month(&text))
        .transpose()
}

/// The last closed month.
pub(crate) async fn closed_through(
    db: &impl ConnectionTrait,
) -> Result<Option<BillingMonth>, BillingError> {
    read(db, ledger::Entity::find_by_id(1)).await
}

/// The last closed month, which stays the last one until `txn` ends. Many meters may hold it at once.
pub(crate) async fn closed_through_while_metering(
    txn: &DatabaseTransaction,
) -> Result<Option<BillingMonth>, BillingError> {
    read(txn, ledger::Entity::find_by_id(1).lock_shared()).await
}

/// The same for the one close, which waits for the meters.
pub(crate) async fn closed_through_while_closing(
    txn: &DatabaseTransaction,
) -> Result<Option<BillingMonth>, BillingError> {
    read(txn, ledger::Entity::find_by_id(1).lock_exclusive()).await
}

/// Closes a month.
pub(crate) async fn close(txn: &DatabaseTransaction, closed: &ClosedMonth) -> Result<(), DbErr> {
    closed_month::Entity::insert(closed_month::ActiveModel {
        month: Set(closed.month.to_string()),
        closed_at: Set(closed.closed_at.utc()),
        invoices: Set(closed.invoices),
        subtotal: Set(closed.subtotal.0),
        tax: Set(closed.tax.0),
        total: Set(closed.total.0),
    })
    .exec_without_returning(txn)
    .await?;
    ledger::Entity::update_many()
        .col_expr(
            ledger::Column::ClosedThrough,
            Expr::value(Some(closed.month.to_string())),
        )
        .filter(ledger::Column::Id.eq(1))
        .exec(txn)
        .await?;
    Ok(())
}

/// What a month came to, if it is closed.
pub(crate) async fn find(
    db: &impl ConnectionTrait,
    period: BillingMonth,
) -> Result<Option<ClosedMonth>, BillingError> {
    let row = closed_month::Entity::find_by_id(period.to_string())
        .one(db)
        .await?;
    row.map(|row| {
        Ok(ClosedMonth {
            month: month(&row.month)?,
            closed_at: Timestamp::new(row.closed_at),
            invoices: row.invoices,
            subtotal: Yen(row.subtotal),
            tax: Yen(row.tax),
            total: Yen(row.total),
        })
    })
    .transpose()
}

//! Writing operations beside what makes them true.

use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr};
use warikan_contracts::operations::MeteredOperation;
use warikan_rows::{Known, Writes};
use warikan_types::TenantScope;

use crate::entity::metered_operation::ActiveModel;

/// Keeps operations, in the transaction that appends their facts to the outbox. One that is there already (a certificate checked
/// by list for the second time in a month) stays as it is.
///
/// # Errors
/// The database refuses; the caller's transaction must not commit then.
pub async fn append<C: ConnectionTrait>(
    transaction: &C,
    operations: &[(TenantScope, MeteredOperation)],
) -> Result<(), DbErr> {
    let rows = operations.iter().map(row).collect();
    warikan_rows::insert(transaction, rows, Known::Kept).await?;
    Ok(())
}

/// The same, beside other writes.
///
/// # Errors
/// Never: every column is set.
pub fn add(
    writes: &mut Writes,
    operations: &[(TenantScope, MeteredOperation)],
) -> Result<(), DbErr> {
    writes.insert(operations.iter().map(row).collect(), Known::Kept)
}

fn row((scope, operation): &(TenantScope, MeteredOperation)) -> ActiveModel {
    ActiveModel {
        month: Set(operation.month.to_string()),
        tenant: Set(scope.tenant().uuid()),
        environment: Set(scope.environment().as_str().to_owned()),
        meter: Set(operation.meter.as_str().to_owned()),
        id: Set(operation.key.id),
        place: Set(operation.key.place),
        kind: Set(operation.kind.map(|kind| kind.as_str().to_owned())),
        channel: Set(operation.channel.map(|channel| channel.as_str().to_owned())),
        verdict: Set(operation.verdict.map(|verdict| verdict.as_str().to_owned())),
        reason: Set(operation.reason.map(|reason| reason.as_str().to_owned())),
        mark: Set(operation.key.mark()),
        accepted_at: Set(operation.accepted_at.utc()),
    }
}

//! Which certificate replaces which.

use std::collections::HashMap;

use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter,
    sea_query::OnConflict,
};
use uuid::Uuid;
use warikan_types::{CertificateHandle, TenantId, TenantScope, Timestamp};

use super::CHUNK;
use crate::entity::renewal;

/// Remembers that one replaces another; what is known of the latter already stays.
pub(crate) async fn remember<C: ConnectionTrait>(
    scope: TenantScope,
    db: &C,
    replaced: CertificateHandle,
    replacement: CertificateHandle,
    at: Timestamp,
) -> Result<(), DbErr> {
    renewal::Entity::insert(renewal::ActiveModel {
        replaced: Set(replaced.uuid()),
        tenant: Set(scope.tenant().uuid()),
        replacement: Set(replacement.uuid()),
        told_at: Set(at.utc()),
    })
    .on_conflict(OnConflict::new().do_nothing().to_owned())
    .exec_without_returning(db)
    .await?;
    Ok(())
}

/// What replaces these certificates of these tenants, where that is known.
pub(crate) async fn of<C: ConnectionTrait>(
    db: &C,
    certificates: impl IntoIterator<Item = (TenantId, Uuid)>,
) -> Result<HashMap<Uuid, CertificateHandle>, DbErr> {
    let wanted: Vec<(TenantId, Uuid)> = certificates.into_iter().collect();
    let mut found = HashMap::new();
    for chunk in wanted.chunks(CHUNK) {
        let rows = renewal::Entity::find()
            .filter(renewal::Column::Tenant.is_in(chunk.iter().map(|(tenant, _)| tenant.uuid())))
            .filter(renewal::Column::Replaced.is_in(chunk.iter().map(|(_, handle)| *handle)))
            .all(db)
            .await?;
        found.extend(
            rows.into_iter()
                .map(|row| (row.replaced, CertificateHandle::from_uuid(row.replacement))),
        );
    }
    Ok(found)
}

/// Forgets what is known of these certificates.
pub(crate) async fn forget<C: ConnectionTrait>(
    scope: TenantScope,
    db: &C,
    handles: &[Uuid],
) -> Result<(), DbErr> {
    let either = Condition::any()
        .add(renewal::Column::Replaced.is_in(handles.iter().copied()))
        .add(renewal::Column::Replacement.is_in(handles.iter().copied()));
    renewal::Entity::delete_many()
        .filter(renewal::Column::Tenant.eq(scope.tenant().uuid()))
        .filter(either)
        .exec(db)
        .await?;
    Ok(())
}

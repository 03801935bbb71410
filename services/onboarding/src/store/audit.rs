//! The audit trail's rows: written once, and read.

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait,
    IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, sea_query::OnConflict,
};
use uuid::Uuid;
use warikan_types::{Id, TenantId, TenantScope, Timestamp};

use crate::{
    audit::{Chain, Doer, Head, Record},
    entity::{audit_head, audit_record},
    error::Error,
};

/// Rows per INSERT: SQLite takes 32,766 parameters and a row has fifteen.
const CHUNK: usize = 1_000;

/// How far a chain goes. Its name is held, or nobody writes.
pub(crate) async fn head<C: ConnectionTrait>(on: &C, chain: &str) -> Result<Option<Head>, DbErr> {
    let found = audit_head::Entity::find_by_id(chain.to_owned());
    Ok(found.one(on).await?.map(head_of))
}

pub(crate) async fn append(
    on: &DatabaseTransaction,
    chain: Chain,
    records: &[Record],
    head: &Head,
    now: Timestamp,
) -> Result<(), Error> {
    let tenant = chain.tenant().map(|tenant| tenant.uuid());
    let environment = chain.environment().map(|one| one.as_str().to_owned());
    let rows = records
        .iter()
        .map(|record| row_of(record, tenant, environment.clone()))
        .collect::<Result<Vec<_>, Error>>()?;
    for chunk in rows.chunks(CHUNK) {
        let models = chunk
            .iter()
            .cloned()
            .map(IntoActiveModel::into_active_model);
        audit_record::Entity::insert_many(models)
            .exec_without_returning(on)
            .await?;
    }
    let row = audit_head::Model {
        chain: head.chain.clone(),
        tenant,
        environment,
        length: head.length,
        hash: head.hash.clone(),
        statement: head.statement.clone(),
        signed_at: now.utc(),
    };
    audit_head::Entity::insert(row.into_active_model())
        .on_conflict(
            OnConflict::column(audit_head::Column::Chain)
                .update_columns([
                    audit_head::Column::Length,
                    audit_head::Column::Hash,
                    audit_head::Column::Statement,
                    audit_head::Column::SignedAt,
                ])
                .to_owned(),
        )
        .exec_without_returning(on)
        .await?;
    Ok(())
}

/// Whose records are read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Whose {
    /// Everybody's, in the order in which they were recorded: the operator reads.
    All,
    /// The operator's own chain.
    Operator,
    /// All chains of one tenant: the operator reads.
    Tenant(TenantId),
    /// What a tenant may read by a token for one environment.
    Own(TenantScope),
}

impl Whose {
    fn condition(self) -> Condition {
        use audit_record::Column;
        let all = Condition::all();
        match self {
            Self::All => all,
            Self::Operator => all.add(Column::Tenant.is_null()),
            Self::Tenant(tenant) => all.add(Column::Tenant.eq(tenant.uuid())),
            Self::Own(scope) => all.add(Column::Tenant.eq(scope.tenant().uuid())).add(
                Condition::any()
                    .add(Column::Environment.is_null())
                    .add(Column::Environment.eq(scope.environment().as_str())),
            ),
        }
    }

    fn of_heads(self) -> Condition {
        use audit_head::Column;
        let all = Condition::all();
        match self {
            Self::All => all,
            Self::Operator => all.add(Column::Tenant.is_null()),
            Self::Tenant(tenant) => all.add(Column::Tenant.eq(tenant.uuid())),
            Self::Own(scope) => all.add(Column::Tenant.eq(scope.tenant().uuid())).add(
                Condition::any()
                    .add(Column::Environment.is_null())
                    .add(Column::Environment.eq(scope.environment().as_str())),
            ),
        }
    }
}

/// Records in the order of their ids, after one of them.
pub(crate) async fn list<C: ConnectionTrait>(
    on: &C,
    whose: Whose,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Record>, DbErr> {
    let mut find = audit_record::Entity::find().filter(whose.condition());
    if let Some(after) = after {
        find = find.filter(audit_record::Column::Id.gt(after));
    }
    let rows = find
        .order_by_asc(audit_record::Column::Id)
        .limit(limit)
        .all(on)
        .await?;
    Ok(rows.into_iter().map(record_of).collect())
}

/// Heads in the order of their chains' names, after one of them.
pub(crate) async fn heads<C: ConnectionTrait>(
    on: &C,
    whose: Whose,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<Head>, DbErr> {
    let mut find = audit_head::Entity::find().filter(whose.of_heads());
    if let Some(after) = after {
        find = find.filter(audit_head::Column::Chain.gt(after));
    }
    let rows = find
        .order_by_asc(audit_head::Column::Chain)
        .limit(limit)
        .all(on)
        .await?;
    Ok(rows.into_iter().map(head_of).collect())
}

/// A chain's records from one place on, in their order.
pub(crate) async fn of_chain<C: ConnectionTrait>(
    on: &C,
    chain: &str,
    after: i64,
    limit: u64,
) -> Result<Vec<Record>, DbErr> {
    let rows = audit_record::Entity::find()
        .filter(audit_record::Column::Chain.eq(chain))
        .filter(audit_record::Column::Sequence.gt(after))
        .order_by_asc(audit_record::Column::Sequence)
        .limit(limit)
        .all(on)
        .await?;
    Ok(rows.into_iter().map(record_of).collect())
}

/// The names of all chains that have records: also of those without a head.
pub(crate) async fn chains<C: ConnectionTrait>(on: &C) -> Result<Vec<String>, DbErr> {
    audit_record::Entity::find()
        .select_only()
        .column(audit_record::Column::Chain)
        .distinct()
        .order_by_asc(audit_record::Column::Chain)
        .into_tuple()
        .all(on)
        .await
}

/// The id of a chain's first record: what names the chain in a cursor.
pub(crate) async fn first_of<C: ConnectionTrait>(
    on: &C,
    chain: &str,
) -> Result<Option<Uuid>, DbErr> {
    let found = audit_record::Entity::find_by_id((chain.to_owned(), 1));
    Ok(found.one(on).await?.map(|row| row.id))
}

/// The chain in which a record stands.
pub(crate) async fn chain_of<C: ConnectionTrait>(
    on: &C,
    id: Uuid,
) -> Result<Option<String>, DbErr> {
    let found = audit_record::Entity::find().filter(audit_record::Column::Id.eq(id));
    Ok(found.one(on).await?.map(|row| row.chain))
}

fn head_of(row: audit_head::Model) -> Head {
    Head {
        chain: row.chain,
        length: row.length,
        hash: row.hash,
        statement: row.statement,
    }
}

fn row_of(
    record: &Record,
    tenant: Option<Uuid>,
    environment: Option<String>,
) -> Result<audit_record::Model, Error> {
    Ok(audit_record::Model {
        chain: record.chain.clone(),
        sequence: record.sequence,
        id: record.id.uuid(),
        tenant,
        environment,
        at: record.at.utc(),
        actor_kind: record.actor.kind.clone(),
        actor: record.actor.id.clone(),
        act: record.act.clone(),
        outcome: record.outcome.clone(),
        subject: record.subject.clone(),
        request_id: record.request_id.clone(),
        details: serde_json::to_string(&record.details)
            .map_err(|_| Error::Damaged("audit_record.details"))?,
        previous: record.previous.clone(),
        hash: record.hash.clone(),
    })
}

fn record_of(row: audit_record::Model) -> Record {
    Record {
        chain: row.chain,
        sequence: row.sequence,
        id: Id::from_uuid(row.id),
        at: row.at.into(),
        actor: Doer {
            kind: row.actor_kind,
            id: row.actor,
        },
        act: row.act,
        outcome: row.outcome,
        subject: row.subject,
        request_id: row.request_id,
        // What cannot be read has another hash than the one that was written: verifying names it.
        details: serde_json::from_str(&row.details).unwrap_or_default(),
        previous: row.previous,
        hash: row.hash,
    }
}

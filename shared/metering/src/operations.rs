//! The side that knows: a service's own table, asked in its process.

use std::collections::BTreeMap;

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, DbErr, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect, Statement, Value,
};
use uuid::Uuid;
use warikan_contracts::{
    facts::Channel,
    operations::{
        GroupTally, Metered, MeteredOperation, MeteredOperations, OperationGroup, OperationKey,
        OperationsUnavailable, Tally,
    },
};
use warikan_messaging::ServiceDatabase;
use warikan_types::{BillingMonth, CertificateKind, Environment, Id, Reason, Timestamp, Verdict};

use crate::{
    PAGE,
    entity::metered_operation::{Column, Entity, Model},
};

/// Rows that one statement adds up. SQLite has one connection for everybody, and nobody shall wait for a whole month. On PostgreSQL nobody waits,
/// but where a table's statistics are older than its rows each statement sorts all that is left: few of them, each well within the time that a
/// statement may take (half a second for a million rows).
const fn at_once(backend: DbBackend) -> u64 {
    match backend {
        DbBackend::Postgres => 2_000_000,
        _ => 20_000,
    }
}

/// A service's operations, in its own database. Clones share it.
#[derive(Clone)]
pub struct Operations {
    service: &'static str,
    meters: &'static [Metered],
    db: ServiceDatabase,
}

/// A row's place in the order of the key, after the month.
type Place = [Value; 5];

impl Operations {
    /// Of the service of this name, which may have these sorts.
    #[must_use]
    pub const fn new(
        service: &'static str,
        meters: &'static [Metered],
        db: ServiceDatabase,
    ) -> Self {
        Self {
            service,
            meters,
            db,
        }
    }

    fn failed(&self) -> impl Fn(DbErr) -> OperationsUnavailable {
        let service = self.service;
        move |error| OperationsUnavailable {
            service,
            why: error.to_string(),
        }
    }

    async fn ask(
        &self,
        sql: String,
        values: Vec<Value>,
    ) -> Result<Vec<sea_orm::QueryResult>, DbErr> {
        let db = self.db.worker();
        let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
        db.query_all_raw(statement).await
    }

    /// The row so many rows after a place; `None` where there are fewer.
    async fn boundary(
        &self,
        month: BillingMonth,
        after: Option<&Place>,
    ) -> Result<Option<Place>, DbErr> {
        let mut values = vec![month.to_string().into()];
        let beyond = compared(">", after, &mut values);
        let sql = format!(
            "SELECT tenant, environment, meter, id, place FROM metered_operation WHERE month = $1{beyond} \
             ORDER BY tenant, environment, meter, id, place LIMIT 1 OFFSET {}",
            at_once(self.db.worker().get_database_backend()) - 1
        );
        let rows = self.ask(sql, values).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        Ok(Some([
            row.try_get_by_index::<Uuid>(0)?.into(),
            row.try_get_by_index::<String>(1)?.into(),
            row.try_get_by_index::<String>(2)?.into(),
            row.try_get_by_index::<Uuid>(3)?.into(),
            row.try_get_by_index::<i32>(4)?.into(),
        ]))
    }

    async fn add_up(
        &self,
        month: BillingMonth,
        until: Timestamp,
        (after, through): (Option<&Place>, Option<&Place>),
        into: &mut BTreeMap<OperationGroup, Tally>,
    ) -> Result<(), DbErr> {
        let mut values = vec![month.to_string().into(), until.utc().into()];
        let beyond = compared(">", after, &mut values);
        let within = compared("<=", through, &mut values);
        // A sum of bigints is numeric on PostgreSQL; the casts make both databases answer alike.
        let sql = format!(
            "SELECT tenant, environment, meter, CAST(count(*) AS bigint), CAST(sum(mark) AS bigint) FROM metered_operation \
             WHERE month = $1 AND accepted_at < $2{beyond}{within} GROUP BY tenant, environment, meter"
        );
        for row in self.ask(sql, values).await? {
            let group = OperationGroup {
                tenant: Id::from_uuid(row.try_get_by_index(0)?),
                environment: read(&row.try_get_by_index::<String>(1)?, Environment::from_word)?,
                meter: read(&row.try_get_by_index::<String>(2)?, Metered::from_word)?,
            };
            let tally = Tally {
                operations: row.try_get_by_index(3)?,
                marks: row.try_get_by_index(4)?,
            };
            let sum = into.entry(group).or_default();
            *sum = sum.plus(tally);
        }
        Ok(())
    }

    async fn all_tallies(
        &self,
        month: BillingMonth,
        until: Timestamp,
    ) -> Result<BTreeMap<OperationGroup, Tally>, DbErr> {
        let mut tallies = BTreeMap::new();
        let mut after = None;
        loop {
            let through = self.boundary(month, after.as_ref()).await?;
            let range = (after.as_ref(), through.as_ref());
            self.add_up(month, until, range, &mut tallies).await?;
            if through.is_none() {
                return Ok(tallies);
            }
            after = through;
        }
    }

    async fn next_page(
        &self,
        month: BillingMonth,
        until: Timestamp,
        group: OperationGroup,
        after: Option<OperationKey>,
    ) -> Result<Vec<MeteredOperation>, DbErr> {
        let mut rows = Entity::find()
            .filter(Column::Month.eq(month.to_string()))
            .filter(Column::Tenant.eq(group.tenant.uuid()))
            .filter(Column::Environment.eq(group.environment.as_str()))
            .filter(Column::Meter.eq(group.meter.as_str()))
            .filter(Column::AcceptedAt.lt(until.utc()));
        if let Some(after) = after {
            let later = Condition::all()
                .add(Column::Id.eq(after.id))
                .add(Column::Place.gt(after.place));
            rows = rows.filter(Condition::any().add(Column::Id.gt(after.id)).add(later));
        }
        let rows = rows
            .order_by_asc(Column::Id)
            .order_by_asc(Column::Place)
            .limit(PAGE)
            .all(self.db.worker())
            .await?;
        rows.into_iter().map(operation).collect()
    }
}

#[async_trait]
impl MeteredOperations for Operations {
    fn service(&self) -> &'static str {
        self.service
    }

    fn meters(&self) -> &'static [Metered] {
        self.meters
    }

    async fn tallies(
        &self,
        month: BillingMonth,
        until: Timestamp,
    ) -> Result<Vec<GroupTally>, OperationsUnavailable> {
        let tallies = self
            .all_tallies(month, until)
            .await
            .map_err(self.failed())?;
        Ok(tallies
            .into_iter()
            .map(|(group, tally)| GroupTally { group, tally })
            .collect())
    }

    async fn page(
        &self,
        month: BillingMonth,
        until: Timestamp,
        group: OperationGroup,
        after: Option<OperationKey>,
    ) -> Result<Vec<MeteredOperation>, OperationsUnavailable> {
        self.next_page(month, until, group, after)
            .await
            .map_err(self.failed())
    }
}

/// ` AND (tenant, ..) > ($n, ..)`, which both databases answer from the key; nothing where there is no place.
fn compared(how: &str, place: Option<&Place>, values: &mut Vec<Value>) -> String {
    let Some(place) = place else {
        return String::new();
    };
    let first = values.len() + 1;
    values.extend(place.iter().cloned());
    let numbers: Vec<String> = (first..first + place.len())
        .map(|number| format!("${number}"))
        .collect();
    format!(
        " AND (tenant, environment, meter, id, place) {how} ({})",
        numbers.join(", ")
    )
}

fn read<T>(word: &str, from: impl Fn(&str) -> Option<T>) -> Result<T, DbErr> {
    from(word).ok_or_else(|| DbErr::Type(format!("metered_operation holds the word {word}")))
}

fn optional<T>(word: Option<&str>, from: impl Fn(&str) -> Option<T>) -> Result<Option<T>, DbErr> {
    word.map(|word| read(word, from)).transpose()
}

fn operation(row: Model) -> Result<MeteredOperation, DbErr> {
    let channel = |word: &str| {
        [Channel::Crl, Channel::Ocsp]
            .into_iter()
            .find(|one| one.as_str() == word)
    };
    let verdict = |word: &str| {
        [Verdict::Valid, Verdict::Invalid, Verdict::Indeterminate]
            .into_iter()
            .find(|one| one.as_str() == word)
    };
    let reason = |word: &str| Reason::ALL.into_iter().find(|one| one.as_str() == word);
    Ok(MeteredOperation {
        meter: read(&row.meter, Metered::from_word)?,
        key: OperationKey {
            id: row.id,
            place: row.place,
        },
        kind: optional(row.kind.as_deref(), CertificateKind::from_word)?,
        channel: optional(row.channel.as_deref(), channel)?,
        verdict: optional(row.verdict.as_deref(), verdict)?,
        reason: optional(row.reason.as_deref(), reason)?,
        month: read(&row.month, |word| word.parse().ok())?,
        accepted_at: Timestamp::new(row.accepted_at),
    })
}

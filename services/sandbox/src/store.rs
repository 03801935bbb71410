//! The only file that asks the database.

use sea_orm::{
    ActiveValue::Set, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait,
    sea_query::OnConflict,
};
use serde::{Serialize, de::DeserializeOwned};
use warikan_simulator::{CertificateChoice, PersonId, PublishedCrl, Records};
use warikan_types::{Reason, Sealer, Timestamp};

use crate::{
    entity::{list, person, record, setting},
    error::Error,
    published::{List, ListKey},
};

pub(crate) use crate::entity::person::Model as HolderRow;

/// Rows per INSERT: SQLite takes 32,766 parameters and no row here has ten.
const CHUNK: usize = 1_000;

const STATE: &str = "state";
const GENERATION: &str = "generation";
const KEY: &str = "key";
const PERSON: &str = "person";
const CERTIFICATE: &str = "certificate";

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, DbErr> {
    serde_json::to_vec(value)
        .map_err(|error| DbErr::Custom(format!("a record is plain data: {error}")))
}

fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|_| Error::Damaged("simulator_record"))
}

fn place(id: &str) -> String {
    format!("simulator_record/{KEY}/{id}")
}

/// Stores what changed in the simulator. Private keys are sealed: they are worthless, and habits are not.
pub(crate) async fn put_records(
    on: &DatabaseTransaction,
    records: &Records,
    sealer: &Sealer,
) -> Result<(), DbErr> {
    let mut rows = Vec::new();
    let mut add = |kind: &str, id: String, body: Vec<u8>| {
        rows.push(record::ActiveModel {
            kind: Set(kind.to_owned()),
            id: Set(id),
            body: Set(body),
        });
    };
    if let Some(state) = &records.state {
        add(STATE, String::new(), json(state)?);
    }
    for one in &records.generations {
        add(
            GENERATION,
            format!("{}/{}", one.choice.as_str(), one.generation),
            json(one)?,
        );
    }
    for one in &records.keys {
        add(
            KEY,
            one.id.0.clone(),
            sealer.seal(&place(&one.id.0), &json(one)?),
        );
    }
    for one in &records.persons {
        add(PERSON, one.id.0.to_string(), json(one)?);
    }
    for one in &records.certificates {
        add(
            CERTIFICATE,
            format!("{}/{}", one.choice.as_str(), one.serial),
            json(one)?,
        );
    }
    for chunk in rows.chunks(CHUNK) {
        record::Entity::insert_many(chunk.to_vec())
            .on_conflict(
                OnConflict::columns([record::Column::Kind, record::Column::Id])
                    .update_column(record::Column::Body)
                    .to_owned(),
            )
            .exec_without_returning(on)
            .await?;
    }
    Ok(())
}

/// Everything of the simulator; `None` before the first start has ended.
pub(crate) async fn records<C: ConnectionTrait>(
    on: &C,
    sealer: &Sealer,
) -> Result<Option<Records>, Error> {
    let mut records = Records::default();
    for row in record::Entity::find().all(on).await? {
        match row.kind.as_str() {
            STATE => records.state = Some(parsed(&row.body)?),
            GENERATION => records.generations.push(parsed(&row.body)?),
            PERSON => records.persons.push(parsed(&row.body)?),
            CERTIFICATE => records.certificates.push(parsed(&row.body)?),
            KEY => {
                let body = sealer
                    .open(&place(&row.id), &row.body)
                    .map_err(|_| Error::Damaged("a sealed key"))?;
                records.keys.push(parsed(&body)?);
            }
            _ => return Err(Error::Damaged("simulator_record")),
        }
    }
    Ok(records.state.is_some().then_some(records))
}

pub(crate) async fn put_holders(
    on: &DatabaseTransaction,
    rows: Vec<HolderRow>,
) -> Result<(), DbErr> {
    let rows: Vec<person::ActiveModel> = rows.into_iter().map(person::ActiveModel::from).collect();
    for chunk in rows.chunks(CHUNK) {
        // `from` marks the primary key as given and the rest as unchanged; an insert takes them all.
        person::Entity::insert_many(chunk.to_vec())
            .exec_without_returning(on)
            .await?;
    }
    Ok(())
}

pub(crate) fn holder_row(
    id: uuid::Uuid,
    number: PersonId,
    demonstrates: Option<Reason>,
    listed: bool,
) -> HolderRow {
    HolderRow {
        id,
        number: i64::try_from(number.0).unwrap_or(i64::MAX),
        demonstrates: demonstrates.map(|reason| reason.as_str().to_owned()),
        listed,
    }
}

pub(crate) async fn holders<C: ConnectionTrait>(on: &C) -> Result<Vec<HolderRow>, DbErr> {
    person::Entity::find().all(on).await
}

pub(crate) fn reason_of(row: &HolderRow) -> Result<Option<Reason>, Error> {
    let Some(word) = &row.demonstrates else {
        return Ok(None);
    };
    let found = Reason::ALL
        .into_iter()
        .find(|reason| reason.as_str() == word);
    found.map(Some).ok_or(Error::Damaged("person"))
}

/// Replaces the served lists; each keeps its predecessor.
pub(crate) async fn put_lists(
    on: &DatabaseTransaction,
    lists: &[(PublishedCrl, Option<Vec<u8>>)],
) -> Result<(), DbErr> {
    let rows: Vec<list::ActiveModel> = lists
        .iter()
        .map(|(crl, previous)| list::ActiveModel {
            ca: Set(crl.choice.as_str().to_owned()),
            generation: Set(i64::from(crl.generation)),
            partition: Set(crl.partition.clone()),
            number: Set(i64::try_from(crl.number).unwrap_or(i64::MAX)),
            this_update: Set(crl.this_update),
            next_update: Set(crl.next_update),
            entries: Set(i64::try_from(crl.entries).unwrap_or(i64::MAX)),
            der: Set(crl.der.clone()),
            previous: Set(previous.clone()),
        })
        .collect();
    for chunk in rows.chunks(CHUNK) {
        list::Entity::insert_many(chunk.to_vec())
            .on_conflict(
                OnConflict::columns([
                    list::Column::Ca,
                    list::Column::Generation,
                    list::Column::Partition,
                ])
                .update_columns([
                    list::Column::Number,
                    list::Column::ThisUpdate,
                    list::Column::NextUpdate,
                    list::Column::Entries,
                    list::Column::Der,
                    list::Column::Previous,
                ])
                .to_owned(),
            )
            .exec_without_returning(on)
            .await?;
    }
    Ok(())
}

pub(crate) async fn lists<C: ConnectionTrait>(on: &C) -> Result<Vec<(ListKey, List)>, Error> {
    let rows = list::Entity::find().all(on).await?;
    rows.into_iter()
        .map(|row| {
            let damaged = || Error::Damaged("published_list");
            let ca = CertificateChoice::ALL
                .into_iter()
                .find(|one| one.as_str() == row.ca)
                .ok_or_else(damaged)?;
            let key = ListKey {
                ca,
                generation: u32::try_from(row.generation).map_err(|_| damaged())?,
                partition: row.partition,
            };
            let list = List {
                number: u64::try_from(row.number).map_err(|_| damaged())?,
                this_update: Timestamp::new(row.this_update),
                next_update: Timestamp::new(row.next_update),
                entries: u64::try_from(row.entries).map_err(|_| damaged())?,
                der: row.der,
                previous: row.previous,
            };
            Ok((key, list))
        })
        .collect()
}

pub(crate) async fn put_setting<C: ConnectionTrait, T: Serialize + Sync>(
    on: &C,
    name: &str,
    value: &T,
) -> Result<(), DbErr> {
    let value = serde_json::to_string(value)
        .map_err(|error| DbErr::Custom(format!("a setting is plain data: {error}")))?;
    setting::Entity::insert(setting::ActiveModel {
        name: Set(name.to_owned()),
        value: Set(value),
    })
    .on_conflict(
        OnConflict::column(setting::Column::Name)
            .update_column(setting::Column::Value)
            .to_owned(),
    )
    .exec_without_returning(on)
    .await?;
    Ok(())
}

pub(crate) async fn setting<C: ConnectionTrait, T: DeserializeOwned>(
    on: &C,
    name: &str,
) -> Result<Option<T>, Error> {
    let row = setting::Entity::find_by_id(name.to_owned()).one(on).await?;
    row.map(|row| serde_json::from_str(&row.value).map_err(|_| Error::Damaged("setting")))
        .transpose()
}

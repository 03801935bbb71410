//! Tables and changes as rows: octets in parts, and a checksum over all of them.
//!
//! A list's newest *whole* snapshot and the *delta* of each version after it make its version in force. Deltas are never deleted:
//! they are the archive. The whole snapshot before the newest stays as well, for the day on which the newest cannot be read.

use std::collections::{BTreeMap, HashMap};

use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter,
    QueryOrder, sea_query::Expr,
};
use uuid::Uuid;
use warikan_pki::sha256;

use super::count;
use crate::{
    diff::Change,
    entity::{crl_change, crl_snapshot, crl_snapshot_part},
    table::{Damaged, Table, change_from_blob, table_from_blob},
};

/// Octets of a part: large enough that a list is few rows, small enough that a row is no burden.
const PART: usize = 4 << 20;
/// The only row of `crl_change`.
const COUNTER: i32 = 1;

/// What a snapshot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Form {
    /// Everything ever named.
    Whole,
    /// What leads there from the version before.
    Delta,
}

impl Form {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Delta => "delta",
        }
    }
}

/// Writes a snapshot.
pub(crate) async fn keep<C: ConnectionTrait>(
    db: &C,
    list: Uuid,
    seq: i64,
    form: Form,
    octets: &[u8],
) -> Result<(), DbErr> {
    crl_snapshot::Entity::insert(crl_snapshot::ActiveModel {
        partition_id: Set(list),
        form: Set(form.as_str().to_owned()),
        seq: Set(seq),
        octets: Set(count(octets.len())),
        sha256: Set(hex::encode(sha256(octets))),
    })
    .exec_without_returning(db)
    .await?;
    for (part, octets) in (0..).zip(octets.chunks(PART)) {
        crl_snapshot_part::Entity::insert(crl_snapshot_part::ActiveModel {
            partition_id: Set(list),
            form: Set(form.as_str().to_owned()),
            seq: Set(seq),
            part: Set(part),
            octets: Set(octets.to_vec()),
        })
        .exec_without_returning(db)
        .await?;
    }
    Ok(())
}

/// Deletes a list's whole snapshots of before `seq`.
pub(crate) async fn forget_wholes<C: ConnectionTrait>(
    db: &C,
    list: Uuid,
    before: i64,
) -> Result<(), DbErr> {
    crl_snapshot_part::Entity::delete_many()
        .filter(crl_snapshot_part::Column::PartitionId.eq(list))
        .filter(crl_snapshot_part::Column::Form.eq(Form::Whole.as_str()))
        .filter(crl_snapshot_part::Column::Seq.lt(before))
        .exec(db)
        .await?;
    crl_snapshot::Entity::delete_many()
        .filter(crl_snapshot::Column::PartitionId.eq(list))
        .filter(crl_snapshot::Column::Form.eq(Form::Whole.as_str()))
        .filter(crl_snapshot::Column::Seq.lt(before))
        .exec(db)
        .await?;
    Ok(())
}

/// How many octets each of these lists' snapshots from a version on has.
pub(crate) async fn sizes<C: ConnectionTrait>(db: &C) -> Result<HashMap<(Uuid, i64), u64>, DbErr> {
    Ok(crl_snapshot::Entity::find()
        .filter(crl_snapshot::Column::Form.eq(Form::Whole.as_str()))
        .all(db)
        .await?
        .into_iter()
        .map(|row| ((row.partition_id, row.seq), row.octets.unsigned_abs()))
        .collect())
}

/// The version of the whole snapshot before this one, if it is still there.
pub(crate) async fn whole_before<C: ConnectionTrait>(
    db: &C,
    list: Uuid,
    seq: i64,
) -> Result<Option<i64>, DbErr> {
    Ok(crl_snapshot::Entity::find()
        .filter(crl_snapshot::Column::PartitionId.eq(list))
        .filter(crl_snapshot::Column::Form.eq(Form::Whole.as_str()))
        .filter(crl_snapshot::Column::Seq.lt(seq))
        .order_by_desc(crl_snapshot::Column::Seq)
        .one(db)
        .await?
        .map(|row| row.seq))
}

/// A list's snapshots as they were read, not yet looked into.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    heads: BTreeMap<(Form, i64), crl_snapshot::Model>,
    parts: BTreeMap<(Form, i64), Vec<u8>>,
}

/// The snapshots of these lists, of each from a version on.
pub(crate) async fn stored<C: ConnectionTrait>(
    db: &C,
    lists: &[(Uuid, i64)],
) -> Result<HashMap<Uuid, Stored>, DbErr> {
    let mut wanted = Condition::any();
    let mut parts = Condition::any();
    for (list, from) in lists {
        wanted = wanted.add(
            Condition::all()
                .add(crl_snapshot::Column::PartitionId.eq(*list))
                .add(crl_snapshot::Column::Seq.gte(*from)),
        );
        parts = parts.add(
            Condition::all()
                .add(crl_snapshot_part::Column::PartitionId.eq(*list))
                .add(crl_snapshot_part::Column::Seq.gte(*from)),
        );
    }
    let mut found: HashMap<Uuid, Stored> = HashMap::new();
    for head in crl_snapshot::Entity::find().filter(wanted).all(db).await? {
        if let Some(form) = form_of(&head.form) {
            let stored = found.entry(head.partition_id).or_default();
            stored.heads.insert((form, head.seq), head);
        }
    }
    let parts = crl_snapshot_part::Entity::find()
        .filter(parts)
        .order_by_asc(crl_snapshot_part::Column::PartitionId)
        .order_by_asc(crl_snapshot_part::Column::Form)
        .order_by_asc(crl_snapshot_part::Column::Seq)
        .order_by_asc(crl_snapshot_part::Column::Part)
        .all(db)
        .await?;
    for part in parts {
        if let Some(form) = form_of(&part.form) {
            let stored = found.entry(part.partition_id).or_default();
            let octets = stored.parts.entry((form, part.seq)).or_default();
            if octets.is_empty() {
                *octets = part.octets;
            } else {
                octets.extend_from_slice(&part.octets);
            }
        }
    }
    Ok(found)
}

fn form_of(word: &str) -> Option<Form> {
    [Form::Whole, Form::Delta]
        .into_iter()
        .find(|form| form.as_str() == word)
}

impl Stored {
    /// The octets of a snapshot, proved by their checksum.
    fn octets(&self, form: Form, seq: i64) -> Result<&[u8], Damaged> {
        let head = self
            .heads
            .get(&(form, seq))
            .ok_or(Damaged("a snapshot is missing"))?;
        let octets = self
            .parts
            .get(&(form, seq))
            .ok_or(Damaged("a snapshot is missing"))?;
        if count(octets.len()) != head.octets || hex::encode(sha256(octets)) != head.sha256 {
            return Err(Damaged("a snapshot does not fit its checksum"));
        }
        Ok(octets)
    }

    /// The table of version `to`, from the whole snapshot of version `from` and the changes since.
    pub(crate) fn table(&self, from: i64, to: i64) -> Result<Table, Damaged> {
        let whole = table_from_blob(self.octets(Form::Whole, from)?)?;
        self.onto(&whole, from, to)
            .map(|table| table.unwrap_or(whole))
    }

    /// The table of version `to`, from the one of version `from`; `None` where that is the same.
    pub(crate) fn onto(&self, table: &Table, from: i64, to: i64) -> Result<Option<Table>, Damaged> {
        let changes = ((from + 1)..=to)
            .map(|seq| {
                Ok((
                    version(seq)?,
                    change_from_blob(self.octets(Form::Delta, seq)?)?,
                ))
            })
            .collect::<Result<Vec<_>, Damaged>>()?;
        if changes.is_empty() {
            return Ok(None);
        }
        let changes: Vec<(u32, &Change)> = changes.iter().map(|(seq, one)| (*seq, one)).collect();
        table.apply(&changes).map(Some)
    }

    /// The changes that can be read, in the order of their versions, and how many cannot.
    pub(crate) fn readable_changes(&self) -> (Vec<(u32, Change)>, usize) {
        let deltas = self.heads.keys().filter(|(form, _)| *form == Form::Delta);
        let mut lost = 0;
        let changes = deltas
            .filter_map(|(_, seq)| {
                let read = version(*seq).and_then(|number| {
                    let change = change_from_blob(self.octets(Form::Delta, *seq)?)?;
                    Ok((number, change))
                });
                lost += usize::from(read.is_err());
                read.ok()
            })
            .collect();
        (changes, lost)
    }
}

/// A version's number as tables carry it.
pub(crate) fn version(seq: i64) -> Result<u32, Damaged> {
    u32::try_from(seq).map_err(|_| Damaged("a version's number is out of range"))
}

/// How many versions were taken over so far, by any process.
pub(crate) async fn changes<C: ConnectionTrait>(db: &C) -> Result<i64, DbErr> {
    Ok(crl_change::Entity::find_by_id(COUNTER)
        .one(db)
        .await?
        .map_or(0, |row| row.change))
}

/// Counts one more. The row is locked until the transaction ends, so that the numbers become visible in their order.
pub(crate) async fn next_change<C: ConnectionTrait>(db: &C) -> Result<i64, DbErr> {
    crl_change::Entity::update_many()
        .col_expr(
            crl_change::Column::Change,
            sea_orm::ExprTrait::add(Expr::col(crl_change::Column::Change), 1),
        )
        .filter(crl_change::Column::Id.eq(COUNTER))
        .exec(db)
        .await?;
    changes(db).await
}

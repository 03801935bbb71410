//! Idempotency: the same key and body get the same answer, whatever happened in between.
//!
//! The answer is stored in the transaction that did the work, so no crash can part the two; a second request with
//! the same key waits for that transaction (SQLite: its write lock; PostgreSQL: the unique key) and then replays it.
//! Keys are namespaced by tenant, environment and operation. Answers are sealed: some carry personal data.

mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "idempotent_answer")]
    pub struct Model {
        /// SHA-256 over namespace and key.
        #[sea_orm(primary_key, auto_increment = false)]
        pub place: String,
        pub body_digest: Vec<u8>,
        /// 0 until the answer is known; never seen outside the transaction that claims it.
        pub status: i32,
        pub answer: Vec<u8>,
        pub created_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

use std::collections::HashMap;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter,
    sea_query::{Expr, OnConflict},
};
use sea_orm_migration::prelude::{
    Alias, ColumnDef, MigrationName, MigrationTrait, SchemaManager, Table, async_trait,
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use warikan_rows::{self as rows, Known, padded};
use warikan_types::{Sealer, TenantScope, Timestamp};

use crate::{Code, Problem};

/// Marks a response as an answer whose key and body get it again, whatever happens: it is in the service's database. The mark is for the
/// platform's own processes, which may keep a copy.
#[derive(Debug, Clone, Copy)]
pub struct Kept;

/// The header that carries [`Kept`] from an inner listener to the edge, where it ends.
pub const KEPT_HEADER: &str = "x-warikan-kept";

/// What a request may carry so that it is carried out once, as the public document tells it.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(
    dead_code,
    reason = "the document reads it; requests are read by `Idempotency::of`"
)]
pub struct IdempotencyKey {
    /// Of your own choice, another for each request. The same key with the same body gets the first answer again, with
    /// `Idempotency-Replayed: true`, also after a crash, for 48 hours; with another body it is a 409.
    #[param(
        rename = "Idempotency-Key",
        min_length = 1,
        max_length = 255,
        pattern = "^[!-~]([ -~]*[!-~])?$"
    )]
    key: Option<String>,
}

/// The answer of an operation, as it is stored and replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// JSON text.
    pub body: Vec<u8>,
    replayed: bool,
}

impl Answer {
    /// An answer from a serialisable body.
    ///
    /// # Panics
    /// Never for the plain structs that answers are.
    #[must_use]
    pub fn json(status: u16, body: &impl Serialize) -> Self {
        Self {
            status,
            body: serde_json::to_vec(body).expect("an answer is plain data"),
            replayed: false,
        }
    }
}

impl Answer {
    /// An answer that was given before: status and JSON text.
    #[must_use]
    pub const fn replayed(status: u16, body: Vec<u8>) -> Self {
        Self {
            status,
            body,
            replayed: true,
        }
    }

    /// Whether it was given before.
    #[must_use]
    pub const fn is_replay(&self) -> bool {
        self.replayed
    }
}

impl From<Answer> for HttpResponse {
    fn from(answer: Answer) -> Self {
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
        let mut response = Self::build(status);
        response
            .content_type("application/json")
            .insert_header(("Cache-Control", "no-store"));
        response.extensions_mut().insert(Kept);
        if answer.replayed {
            response.insert_header(("Idempotency-Replayed", "true"));
        }
        response.body(answer.body)
    }
}

/// One request's claim to be carried out once. Without a key every request is carried out.
pub struct Idempotency {
    key: Option<Key>,
    sealer: Sealer,
}

struct Key {
    place: String,
    body_digest: [u8; 32],
}

/// A claim failed.
#[derive(Debug, thiserror::Error)]
pub enum IdempotencyError {
    /// Same key, other body.
    #[error("the idempotency key was used with another body")]
    Reused,
    /// The stored answer cannot be opened: the platform's key changed.
    #[error("the stored answer cannot be opened")]
    Sealed(#[from] warikan_types::SealError),
    /// The database failed.
    #[error("the idempotency table cannot be used")]
    Database(#[from] DbErr),
}

impl From<IdempotencyError> for Problem {
    fn from(error: IdempotencyError) -> Self {
        match error {
            IdempotencyError::Reused => Self::new(
                Code::IdempotencyKeyReused,
                "Use a new Idempotency-Key for a new request; the same key is for repeating the same body.",
            ),
            IdempotencyError::Database(error) => error.into(),
            IdempotencyError::Sealed(_) => Self::internal(&error),
        }
    }
}

impl Idempotency {
    /// Reads `Idempotency-Key`. `operation` is the operation's name, `caller` the tenant (or `None`: the operator).
    ///
    /// # Errors
    /// A key that is empty, longer than 255 characters or not printable ASCII; more than one key.
    pub fn of(
        request: &HttpRequest,
        operation: &str,
        caller: Option<TenantScope>,
        body_digest: [u8; 32],
        sealer: &Sealer,
    ) -> Result<Self, Problem> {
        let mut values = request.headers().get_all("idempotency-key");
        let key = match (values.next(), values.next()) {
            (None, _) => None,
            (Some(value), None) => Some(
                value
                    .to_str()
                    .ok()
                    .filter(|text| (1..=255).contains(&text.len()))
                    .ok_or_else(bad_key)?,
            ),
            (Some(_), Some(_)) => return Err(bad_key()),
        };
        Ok(Self {
            key: key.map(|key| Key {
                place: place(operation, caller, key),
                body_digest,
            }),
            sealer: sealer.clone(),
        })
    }

    /// Claims the key in the transaction that will do the work. `Some` is the answer given before: roll back and
    /// replay it.
    ///
    /// # Errors
    /// [`IdempotencyError`].
    pub async fn claim<C: ConnectionTrait>(
        &self,
        transaction: &C,
        at: Timestamp,
    ) -> Result<Option<Answer>, IdempotencyError> {
        let Some(key) = &self.key else {
            return Ok(None);
        };
        let inserted = entity::Entity::insert(entity::ActiveModel {
            place: Set(key.place.clone()),
            body_digest: Set(key.body_digest.to_vec()),
            status: Set(0),
            answer: Set(Vec::new()),
            created_at: Set(at.utc()),
        })
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(transaction)
        .await?;
        if inserted == 1 {
            return Ok(None);
        }
        let row = entity::Entity::find_by_id(key.place.clone())
            .one(transaction)
            .await?
            .ok_or_else(|| DbErr::RecordNotFound("idempotent answer".to_owned()))?;
        self.replay_row(key, &row).map(Some)
    }

    /// Keeps the answer, in the same transaction, before the commit.
    ///
    /// # Errors
    /// The database failed; the transaction must not commit then.
    pub async fn keep<C: ConnectionTrait>(
        &self,
        transaction: &C,
        answer: &Answer,
    ) -> Result<(), DbErr> {
        let Some(key) = &self.key else {
            return Ok(());
        };
        entity::Entity::update_many()
            .filter(entity::Column::Place.eq(&key.place))
            .col_expr(
                entity::Column::Status,
                Expr::value(i32::from(answer.status)),
            )
            .col_expr(
                entity::Column::Answer,
                Expr::value(self.sealer.seal(&key.place, &answer.body)),
            )
            .exec(transaction)
            .await?;
        Ok(())
    }
}

/// Answers given before, as the table holds them: by place.
pub struct GivenAnswers(HashMap<String, entity::Model>);

/// Claims per statement.
const CHUNK: usize = 5_000;

/// For transactions that carry out many requests: look first, write all answers at the end. The key's uniqueness decides between
/// processes, as it does for one request.
impl Idempotency {
    /// What names this claim: equal for equal keys of one caller and operation. `None` without a key.
    #[must_use]
    pub fn place(&self) -> Option<&str> {
        self.key.as_ref().map(|key| key.place.as_str())
    }

    /// The answers that were given under any of these claims.
    ///
    /// # Errors
    /// The database failed.
    pub async fn given<'a, C: ConnectionTrait>(
        transaction: &C,
        claims: impl Iterator<Item = &'a Self> + Send,
    ) -> Result<GivenAnswers, DbErr> {
        let places: Vec<&str> = claims.filter_map(Self::place).collect();
        let mut given = HashMap::new();
        for chunk in places.chunks(CHUNK) {
            let rows = entity::Entity::find()
                .filter(entity::Column::Place.is_in(padded(chunk.iter().copied())))
                .all(transaction)
                .await?;
            given.extend(rows.into_iter().map(|row| (row.place.clone(), row)));
        }
        Ok(GivenAnswers(given))
    }

    /// This claim's answer, where it was given before.
    ///
    /// # Errors
    /// [`IdempotencyError`].
    pub fn replay(&self, given: &GivenAnswers) -> Result<Option<Answer>, IdempotencyError> {
        let Some(key) = &self.key else {
            return Ok(None);
        };
        let Some(row) = given.0.get(&key.place) else {
            return Ok(None);
        };
        self.replay_row(key, row).map(Some)
    }

    fn replay_row(&self, key: &Key, row: &entity::Model) -> Result<Answer, IdempotencyError> {
        if row.body_digest != key.body_digest {
            return Err(IdempotencyError::Reused);
        }
        let body = self.sealer.open(&key.place, &row.answer)?;
        let status = u16::try_from(row.status).unwrap_or(200);
        Ok(Answer::replayed(status, body))
    }

    /// Keeps answers to claims with different keys, of which [`Idempotency::given`] found none, with the moments at which the
    /// requests were accepted. `false`: another transaction has answered one of them since; this one must be rolled back.
    ///
    /// # Errors
    /// The database failed; the transaction must not commit then.
    pub async fn keep_all<C: ConnectionTrait>(
        transaction: &C,
        answers: &[(&Self, Answer, Timestamp)],
    ) -> Result<bool, DbErr> {
        let mut rows: Vec<(&str, entity::ActiveModel)> = answers
            .iter()
            .filter_map(|(claim, answer, at)| {
                let key = claim.key.as_ref()?;
                let row = entity::ActiveModel {
                    place: Set(key.place.clone()),
                    body_digest: Set(key.body_digest.to_vec()),
                    status: Set(i32::from(answer.status)),
                    answer: Set(claim.sealer.seal(&key.place, &answer.body)),
                    created_at: Set(at.utc()),
                };
                Some((key.place.as_str(), row))
            })
            .collect();
        // In the order of the key: two transactions with keys in common wait for each other and do not lock each other out.
        rows.sort_unstable_by_key(|(place, _)| *place);
        let (all, models) = (
            rows.len() as u64,
            rows.into_iter().map(|(_, row)| row).collect(),
        );
        Ok(rows::insert(transaction, models, Known::Kept).await? == all)
    }
}

/// How long an answer can be replayed.
pub const KEPT: std::time::Duration = std::time::Duration::from_secs(48 * 3600);

/// Removes answers given before `before`.
///
/// # Errors
/// The database failed.
pub async fn prune<C: ConnectionTrait>(on: &C, before: Timestamp) -> Result<u64, DbErr> {
    Ok(entity::Entity::delete_many()
        .filter(entity::Column::CreatedAt.lt(before.utc()))
        .exec(on)
        .await?
        .rows_affected)
}

fn bad_key() -> Problem {
    Problem::field(
        "Idempotency-Key",
        "invalid_header",
        "Send one Idempotency-Key of 1 to 255 printable ASCII characters.",
    )
}

/// Hashed with lengths in front, so that no two (caller, operation, key) meet (F008).
fn place(operation: &str, caller: Option<TenantScope>, key: &str) -> String {
    let mut hash = Sha256::new();
    let (tenant, environment) = caller.map_or(("operator".to_owned(), ""), |scope| {
        (scope.tenant().to_string(), scope.environment().as_str())
    });
    for part in [tenant.as_str(), environment, operation, key] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(hash.finalize())
}

/// The migration for services that take idempotency keys.
#[must_use]
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(IdempotentAnswers)]
}

struct IdempotentAnswers;

impl MigrationName for IdempotentAnswers {
    fn name(&self) -> &'static str {
        "m0002_idempotent_answers"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for IdempotentAnswers {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let col = |name: &'static str| ColumnDef::new(Alias::new(name));
        manager
            .create_table(
                Table::create()
                    .table(Alias::new("idempotent_answer"))
                    .col(col("place").string_len(64).not_null().primary_key())
                    .col(col("body_digest").binary().not_null())
                    .col(col("status").integer().not_null())
                    .col(col("answer").binary().not_null())
                    .col(col("created_at").timestamp_with_time_zone().not_null())
                    .to_owned(),
            )
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use warikan_types::{Entropy, Environment};

    #[test]
    fn f008_no_two_callers_and_keys_share_a_place() {
        let entropy = Entropy::seeded(1);
        let at: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        let scope = |environment| Some(TenantScope::of_event(entropy.id(at), environment));
        let a = scope(Environment::Sandbox);
        let b = scope(Environment::Production);
        let mut places = std::collections::HashSet::new();
        for caller in [a, b, None] {
            for (operation, key) in [
                ("x", "y:z"),
                ("x:y", "z"),
                ("x", "y"),
                ("xy", "z"),
                ("x", "yz"),
            ] {
                assert!(places.insert(place(operation, caller, key)));
            }
        }
    }
}

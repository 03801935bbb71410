//! Idempotency: the same key and body get the same answer, whatever happened in between.
//!
//! The answer is stored in the transaction that did the work, so no crash can part the two; a second request with
//! the same key waits for that transaction (SQLite: its write lock; PostgreSQL: the unique key) and then replays it.
//! Keys are namespaced by tenant, environment and operation. Answers are sealed: some carry personal data.

mod many;
mod stored;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter,
    sea_query::{Expr, OnConflict},
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;
use warikan_types::{Sealer, TenantScope, Timestamp};

use self::stored::entity;
use crate::{Code, Problem};

pub use self::many::{AskedAnswers, GivenAnswers};
pub use self::stored::{KEPT, erase_about, migrations, prune};

/// Marks a response as an answer whose key and body get it again, whatever happens: it is in the service's database. The mark is for the
/// platform's own processes, which may keep a copy.
#[derive(Debug, Clone, Copy)]
pub struct Kept;

/// The header that carries [`Kept`] from an inner listener to the edge, where it ends.
pub const KEPT_HEADER: &str = "x-warikan-kept";

/// Of the hash that names a claim.
const OCTETS: usize = 16;

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
    record: Option<Uuid>,
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
            record: None,
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
            record: None,
        }
    }

    /// The service has a record from which it makes this answer again: only the record's id is kept beside the key.
    #[must_use]
    pub fn recorded(self, record: Uuid) -> Self {
        Self {
            record: Some(record),
            ..self
        }
    }

    /// The record that holds it. Of an answer that was given before, the body is to be had from there.
    #[must_use]
    pub const fn record(&self) -> Option<Uuid> {
        self.record
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
    /// What was answered told of somebody who was erased since.
    #[error("the answer to the idempotency key was erased")]
    Erased,
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
            IdempotencyError::Erased => Self::new(
                Code::IdempotencyKeyReused,
                "The answer to this Idempotency-Key was erased with the person that it told of, and the request is not carried out again. Use a new Idempotency-Key for a new request.",
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
            record: Set(None),
            created_at: Set(at.utc()),
            about: Set(None),
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
        self.keep_about(transaction, answer, None).await
    }

    /// The same, of something by whose id the answer can be erased ([`erase_about`]).
    ///
    /// # Errors
    /// As [`Idempotency::keep`].
    pub async fn keep_about<C: ConnectionTrait>(
        &self,
        transaction: &C,
        answer: &Answer,
        about: Option<Uuid>,
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
            .col_expr(entity::Column::About, Expr::value(about))
            .exec(transaction)
            .await?;
        Ok(())
    }
}

impl Idempotency {
    fn replay_row(&self, key: &Key, row: &entity::Model) -> Result<Answer, IdempotencyError> {
        if row.body_digest != key.body_digest {
            return Err(IdempotencyError::Reused);
        }
        if row.record.is_none() && row.answer.is_empty() {
            return Err(IdempotencyError::Erased);
        }
        let status = u16::try_from(row.status).unwrap_or(200);
        if let Some(record) = row.record {
            return Ok(Answer::replayed(status, Vec::new()).recorded(record));
        }
        let body = self.sealer.open(&key.place, &row.answer)?;
        Ok(Answer::replayed(status, body))
    }
}

fn bad_key() -> Problem {
    Problem::field(
        "Idempotency-Key",
        "invalid_header",
        "Send one Idempotency-Key of 1 to 255 printable ASCII characters.",
    )
}

/// Hashed with lengths in front, so that no two (caller, operation, key) meet (F008). 128 bits are enough for that, and the index of what was
/// given in two days, in which each request finds its place at random, has a third of the pages that 256 in hexadecimal digits would fill.
fn place(operation: &str, caller: Option<TenantScope>, key: &str) -> String {
    let mut hash = Sha256::new();
    let (tenant, environment) = caller.map_or(("operator".to_owned(), ""), |scope| {
        (scope.tenant().to_string(), scope.environment().as_str())
    });
    for part in [tenant.as_str(), environment, operation, key] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    URL_SAFE_NO_PAD.encode(&hash.finalize()[..OCTETS])
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

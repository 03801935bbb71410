//! Claims of many requests in one transaction: look first, write all answers at the end. The key's uniqueness decides between processes, as
//! it does for one request.

use std::collections::HashMap;

use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter};
use warikan_rows::{self as rows, Found, Known, Question, Questions, Writes, padded};
use warikan_types::Timestamp;

use super::{Answer, Idempotency, IdempotencyError, stored::entity};

/// Answers given before, as the table holds them: by place.
pub struct GivenAnswers(HashMap<String, entity::Model>);

/// A question for answers given before ([`Idempotency::ask`]).
pub struct AskedAnswers(Vec<Question<entity::Model>>);

/// Claims per statement.
const CHUNK: usize = 5_000;

impl Idempotency {
    /// What names this claim: equal for equal keys of one caller and operation. `None` without a key.
    #[must_use]
    pub fn place(&self) -> Option<&str> {
        self.key.as_ref().map(|key| key.place.as_str())
    }

    /// Asks for the answers that were given under any of these claims.
    pub fn ask<'a>(
        questions: &mut Questions,
        claims: impl Iterator<Item = &'a Self>,
    ) -> AskedAnswers {
        let places: Vec<&str> = claims.filter_map(Self::place).collect();
        let asked = places.chunks(CHUNK).map(|chunk| {
            let places = padded(chunk.iter().copied());
            questions.ask(entity::Entity::find().filter(entity::Column::Place.is_in(places)))
        });
        AskedAnswers(asked.collect())
    }

    /// What came of it.
    ///
    /// # Errors
    /// The database failed.
    pub fn given(found: &Found, asked: &AskedAnswers) -> Result<GivenAnswers, DbErr> {
        let mut given = HashMap::new();
        for question in &asked.0 {
            let rows = found.rows(question)?.into_iter();
            given.extend(rows.map(|row| (row.place.clone(), row)));
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

    /// Keeps answers to claims with different keys, of which [`Idempotency::given`] found none, with the moments at which the
    /// requests were accepted. `false`: another transaction has answered one of them since; this one must be rolled back.
    ///
    /// # Errors
    /// The database failed; the transaction must not commit then.
    pub async fn keep_all<C: ConnectionTrait>(
        transaction: &C,
        answers: &[(&Self, Answer, Timestamp)],
    ) -> Result<bool, DbErr> {
        let models = models(answers);
        let all = models.len() as u64;
        Ok(rows::insert(transaction, models, Known::Kept).await? == all)
    }

    /// The same, beside other writes of a transaction that nobody else writes beside, as SQLite's are: there a key that was not
    /// [`Self::given`] is not given when the rows go in.
    ///
    /// # Errors
    /// Never: every column is set.
    pub fn add_all(
        writes: &mut Writes,
        answers: &[(&Self, Answer, Timestamp)],
    ) -> Result<(), DbErr> {
        writes.insert(models(answers), Known::Refused)
    }
}

/// Rows for answers to requests with keys.
fn models(answers: &[(&Idempotency, Answer, Timestamp)]) -> Vec<entity::ActiveModel> {
    let mut rows: Vec<(&str, entity::ActiveModel)> = answers
        .iter()
        .filter_map(|(claim, answer, at)| {
            let key = claim.key.as_ref()?;
            let row = entity::ActiveModel {
                place: Set(key.place.clone()),
                body_digest: Set(key.body_digest.to_vec()),
                status: Set(i32::from(answer.status)),
                answer: Set(match answer.record {
                    Some(_) => Vec::new(),
                    None => claim.sealer.seal(&key.place, &answer.body),
                }),
                record: Set(answer.record),
                created_at: Set(at.utc()),
                about: Set(None),
            };
            Some((key.place.as_str(), row))
        })
        .collect();
    // In the order of the key: two transactions with keys in common wait for each other and do not lock each other out.
    rows.sort_unstable_by_key(|(place, _)| *place);
    rows.into_iter().map(|(_, row)| row).collect()
}

//! Many rows of an entity with few statements, and always the same ones.
//!
//! An INSERT of 173 rows is a text that no database has seen before: it is parsed and planned for this once, which costs more than the rows.
//! So rows go in groups whose sizes come again ([`group`]), and connections keep what they prepared for each. The same holds for long
//! lists of keys ([`padded`]).

mod columns;
mod questions;
mod writes;

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use sea_orm::{
    ActiveModelTrait, ActiveValue, ConnectionTrait, DbBackend, DbErr, EntityName, EntityTrait,
    IdenStatic, Iterable, QueryResult, Statement, Value,
};

pub use questions::{Found, Question, Questions};
pub use writes::Writes;

/// Rows in one statement at most.
const LARGEST: usize = 256;
/// So many rows or fewer go in one statement of their own size.
const SMALL: usize = 16;
/// On PostgreSQL, more rows than these go as arrays.
const FEW: usize = 4;
/// What SQLite takes in one statement.
const PARAMETERS: usize = 32_766;

/// What becomes of a row whose key is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Known {
    /// The statement fails.
    Refused,
    /// The row that is there stays as it is.
    Kept,
}

/// Table, rows, what becomes of known ones, the column that is told, and whether parameters are numbered.
///
/// SQLite takes `$7` for a name, and looks each of three thousand names up among all others, when it prepares and again when it binds: there
/// they have none.
type Which = (&'static str, usize, Known, Option<&'static str>, bool);
type Texts = Mutex<HashMap<(Which, Vec<&'static str>), Arc<str>>>;

/// Statements that were made before. The columns are in the key: two services of one process may each have a table of one name.
fn texts() -> &'static Texts {
    static TEXTS: OnceLock<Texts> = OnceLock::new();
    TEXTS.get_or_init(Texts::default)
}

/// The text for so many rows of these columns.
fn text(which: Which, columns: &[&'static str]) -> Arc<str> {
    let (table, rows, known, told, numbered) = which;
    let mut texts = texts().lock().unwrap_or_else(PoisonError::into_inner);
    let text = texts.entry((which, columns.to_vec())).or_insert_with(|| {
        // What fails is rolled back whole by whoever began the transaction. So SQLite need not keep a journal for taking back the rows of this
        // statement alone, which would copy every page before it is written to.
        let verb = if numbered { "INSERT" } else { "INSERT OR FAIL" };
        let mut text = format!("{verb} INTO \"{table}\" (");
        for (place, column) in columns.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            let _ = write!(text, "{comma}\"{column}\"");
        }
        text.push_str(") VALUES ");
        for row in 0..rows {
            text.push_str(if row == 0 { "(" } else { ", (" });
            for column in 0..columns.len() {
                text.push_str(if column == 0 { "" } else { ", " });
                if numbered {
                    let _ = write!(text, "${}", row * columns.len() + column + 1);
                } else {
                    text.push('?');
                }
            }
            text.push(')');
        }
        if known == Known::Kept {
            text.push_str(" ON CONFLICT DO NOTHING");
        }
        if let Some(column) = told {
            let _ = write!(text, " RETURNING \"{column}\"");
        }
        text.into()
    });
    Arc::clone(text)
}

/// How many of so many rows go into the next statement: a power of two, or all where they are few. Five statements carry any number up to
/// [`LARGEST`], and a table has about twenty texts.
const fn group(rows: usize, most: usize) -> usize {
    let rows = if rows > most { most } else { rows };
    if rows <= SMALL {
        return rows;
    }
    1 << rows.ilog2()
}

/// Inserts rows, and gives how many were new.
///
/// # Errors
/// The database refuses, or a model leaves a column open.
pub async fn insert<A, C>(on: &C, models: Vec<A>, known: Known) -> Result<u64, DbErr>
where
    A: ActiveModelTrait + Send,
    C: ConnectionTrait,
{
    let mut new = 0;
    for statement in statements(on.get_database_backend(), models, known, None)? {
        new += on.execute_raw(statement).await?.rows_affected();
    }
    Ok(new)
}

/// Inserts rows, and gives this column of those that were new.
///
/// # Errors
/// As [`insert`].
pub async fn insert_returning<A, C>(
    on: &C,
    models: Vec<A>,
    known: Known,
    column: <A::Entity as EntityTrait>::Column,
) -> Result<Vec<QueryResult>, DbErr>
where
    A: ActiveModelTrait + Send,
    C: ConnectionTrait,
{
    let mut new = Vec::with_capacity(models.len());
    for statement in statements(
        on.get_database_backend(),
        models,
        known,
        Some(column.as_str()),
    )? {
        new.extend(on.query_all_raw(statement).await?);
    }
    Ok(new)
}

fn statements<A: ActiveModelTrait>(
    backend: DbBackend,
    models: Vec<A>,
    known: Known,
    told: Option<&'static str>,
) -> Result<Vec<Statement>, DbErr> {
    let all: Vec<<A::Entity as EntityTrait>::Column> =
        <A::Entity as EntityTrait>::Column::iter().collect();
    let columns: Vec<&'static str> = all.iter().map(IdenStatic::as_str).collect();
    let table = A::Entity::default().table_name();
    let mut rows = Vec::with_capacity(models.len());
    for mut model in models {
        let mut values: Vec<Value> = Vec::with_capacity(columns.len());
        for (column, name) in all.iter().zip(&columns) {
            match model.take(*column) {
                ActiveValue::Set(value) | ActiveValue::Unchanged(value) => values.push(value),
                ActiveValue::NotSet => {
                    let why = format!("{table}.{name} is not set");
                    return Err(DbErr::AttrNotSet(why));
                }
            }
        }
        rows.push(values);
    }
    if backend == DbBackend::Postgres
        && rows.len() > FEW
        && let Some((text, arrays)) = columns::insert(table, &columns, &rows, known, told)
    {
        let statement = Statement::from_sql_and_values(backend, text, arrays);
        return Ok(vec![statement]);
    }
    let most = LARGEST.min(PARAMETERS / columns.len().max(1));
    let numbered = backend != DbBackend::Sqlite;
    let mut left = rows.len();
    let mut rows = rows.into_iter();
    let mut statements = Vec::new();
    while left > 0 {
        let next = group(left, most);
        let values: Vec<Value> = rows.by_ref().take(next).flatten().collect();
        left -= next;
        let text = text((table, next, known, told, numbered), &columns);
        statements.push(Statement::from_sql_and_values(
            backend,
            text.as_ref(),
            values,
        ));
    }
    Ok(statements)
}

/// A list of keys, filled up with its last to a length that comes again: for `IN`, to which a key that stands twice says nothing new.
#[must_use]
pub fn padded<T: Clone>(keys: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut keys: Vec<T> = keys.into_iter().collect();
    if let Some(last) = keys.last().cloned() {
        let length = keys.len().next_power_of_two();
        // A list as long as SQLite may have parameters is long enough not to come again.
        if length <= 4_096 {
            keys.resize(length, last);
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_rows_goes_in_few_statements_of_few_sizes() {
        let mut sizes = std::collections::BTreeSet::new();
        for rows in 1..=2_048 {
            let (mut left, mut statements) = (rows, 0);
            while left > 0 {
                let next = group(left, LARGEST);
                assert!(next >= 1 && next <= left);
                sizes.insert(next);
                left -= next;
                statements += 1;
            }
            assert!(statements <= rows / LARGEST + 5, "{rows}: {statements}");
        }
        assert!(sizes.len() <= SMALL + 4, "{sizes:?}");
    }

    #[test]
    fn a_statement_counts_its_parameters_through() {
        let made = |numbered| text(("t", 2, Known::Kept, None, numbered), &["a", "b"]);
        let expected =
            r#"INSERT INTO "t" ("a", "b") VALUES ($1, $2), ($3, $4) ON CONFLICT DO NOTHING"#;
        assert_eq!(made(true).as_ref(), expected);
        let expected =
            r#"INSERT OR FAIL INTO "t" ("a", "b") VALUES (?, ?), (?, ?) ON CONFLICT DO NOTHING"#;
        assert_eq!(made(false).as_ref(), expected);
    }

    #[test]
    fn tables_of_one_name_with_other_columns_have_texts_of_their_own() {
        let made =
            |columns: &[&'static str]| text(("twice", 1, Known::Refused, None, true), columns);
        assert_ne!(made(&["a"]), made(&["b"]));
    }

    #[test]
    fn lists_are_filled_up_with_what_is_in_them() {
        assert_eq!(padded([1, 2, 3, 4, 5]), [1, 2, 3, 4, 5, 5, 5, 5]);
        assert_eq!(padded(Vec::<u8>::new()), Vec::<u8>::new());
        assert_eq!(padded(0..5_000).len(), 5_000);
    }
}

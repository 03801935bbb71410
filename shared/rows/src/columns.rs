//! Rows as one array for each column: for PostgreSQL, which plans an INSERT of two thousand parameters as long as it carries it out.
//!
//! `INSERT .. SELECT .. FROM UNNEST($1::uuid[], $2::text[])` is one text for any number of rows. The driver's arrays hold no NULL: a column
//! that is NULL in every row is written as such, and rows that differ in that go the other way.

use std::fmt::Write as _;

use sea_orm::{
    Value,
    sea_query::{ArrayType, ValueType},
};

use crate::Known;

/// The text and the arrays; `None` where the rows cannot be said so.
pub(crate) fn insert(
    table: &str,
    columns: &[&'static str],
    rows: &[Vec<Value>],
    known: Known,
    told: Option<&str>,
) -> Option<(String, Vec<Value>)> {
    let (mut names, mut from, mut selected, mut parameters) =
        (String::new(), String::new(), String::new(), String::new());
    let mut arrays = Vec::with_capacity(columns.len());
    for (place, name) in columns.iter().enumerate() {
        let comma = if place == 0 { "" } else { ", " };
        let _ = write!(names, "{comma}\"{name}\"");
        let column: Vec<Value> = rows.iter().map(|row| row[place].clone()).collect();
        if column.iter().all(is_null) {
            let _ = write!(selected, "{comma}NULL");
            continue;
        }
        if column.iter().any(is_null) {
            return None;
        }
        let (kind, sql) = kind(column.first()?)?;
        let separator = if arrays.is_empty() { "" } else { ", " };
        arrays.push(Value::Array(kind, Some(Box::new(column))));
        let _ = write!(parameters, "{separator}${}::{sql}[]", arrays.len());
        let _ = write!(from, "{separator}\"{name}\"");
        let _ = write!(selected, "{comma}\"made\".\"{name}\"");
    }
    if arrays.is_empty() {
        return None;
    }
    let mut text = format!(
        "INSERT INTO \"{table}\" ({names}) SELECT {selected} FROM UNNEST({parameters}) AS \"made\" ({from})"
    );
    if known == Known::Kept {
        text.push_str(" ON CONFLICT DO NOTHING");
    }
    if let Some(column) = told {
        let _ = write!(text, " RETURNING \"{column}\"");
    }
    Some((text, arrays))
}

fn is_null(value: &Value) -> bool {
    *value == value.as_null()
}

/// The element's type, as the driver and as PostgreSQL name it. Entities here have no others.
fn kind(value: &Value) -> Option<(ArrayType, &'static str)> {
    Some(match value {
        Value::Bool(_) => (bool::array_type(), "boolean"),
        Value::Int(_) => (i32::array_type(), "integer"),
        Value::BigInt(_) => (i64::array_type(), "bigint"),
        Value::String(_) => (String::array_type(), "text"),
        Value::Bytes(_) => (Vec::<u8>::array_type(), "bytea"),
        Value::Uuid(_) => (ArrayType::Uuid, "uuid"),
        Value::ChronoDateTimeUtc(_) => (ArrayType::ChronoDateTimeUtc, "timestamptz"),
        Value::ChronoDate(_) => (ArrayType::ChronoDate, "date"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: i32, name: Option<&str>, note: Option<&str>) -> Vec<Value> {
        let text = |text: Option<&str>| Value::from(text.map(str::to_owned));
        vec![id.into(), text(name), text(note)]
    }

    const COLUMNS: [&str; 3] = ["id", "name", "note"];

    #[test]
    fn a_column_is_an_array_and_one_without_values_is_null() {
        let rows = [row(1, Some("a"), None), row(2, Some("b"), None)];
        let (text, arrays) = insert("t", &COLUMNS, &rows, Known::Kept, Some("id")).unwrap();
        assert_eq!(
            text,
            "INSERT INTO \"t\" (\"id\", \"name\", \"note\") SELECT \"made\".\"id\", \"made\".\"name\", NULL \
             FROM UNNEST($1::integer[], $2::text[]) AS \"made\" (\"id\", \"name\") ON CONFLICT DO NOTHING RETURNING \"id\""
        );
        assert_eq!(arrays[0], Value::from(vec![1, 2]));
    }

    #[test]
    fn rows_that_differ_in_what_is_null_go_the_other_way() {
        let rows = [row(1, Some("a"), None), row(2, None, None)];
        assert!(insert("t", &COLUMNS, &rows, Known::Kept, None).is_none());
    }
}

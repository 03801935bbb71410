//! What a service has told.

use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use serde_json::Value;

/// The facts in a service's outbox, sent or not, as JSON in the order in which they were appended.
///
/// # Panics
/// There is no outbox, or something else is in it.
pub async fn told_facts(db: &DatabaseConnection) -> Vec<Value> {
    let sql = "SELECT envelope FROM outbox ORDER BY id";
    let rows = db
        .query_all_raw(Statement::from_string(db.get_database_backend(), sql))
        .await
        .expect("an outbox");
    rows.iter()
        .map(|row| row.try_get_by_index::<String>(0).expect("text"))
        .map(|text| serde_json::from_str(&text).expect("JSON"))
        .flat_map(|row| match row {
            Value::Array(facts) => facts,
            fact => vec![fact],
        })
        .collect()
}

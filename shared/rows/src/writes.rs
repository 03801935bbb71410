//! Statements that write, carried out together at the end of a transaction.

use sea_orm::{ActiveModelTrait, ConnectionTrait, DbBackend, DbErr, Statement, Value};

use crate::{Known, statements};

/// Beyond, a text of all statements would be one that does not come again, and the way to the database is shared by many rows anyway.
const FEW_VALUES: usize = 128;

/// What a transaction writes and asks nothing about.
///
/// SQLite works on a thread of its own, and each statement's way there and back costs as much as the statement: a few rows go there at
/// once, as one text. PostgreSQL takes one statement at a time.
#[derive(Debug)]
pub struct Writes {
    backend: DbBackend,
    statements: Vec<Statement>,
}

impl Writes {
    /// None so far.
    #[must_use]
    pub fn on<C: ConnectionTrait>(on: &C) -> Self {
        Self {
            backend: on.get_database_backend(),
            statements: Vec::new(),
        }
    }

    /// For which database texts are to be made.
    #[must_use]
    pub const fn backend(&self) -> DbBackend {
        self.backend
    }

    /// Rows to be inserted.
    ///
    /// # Errors
    /// A model leaves a column open.
    pub fn insert<A>(&mut self, models: Vec<A>, known: Known) -> Result<(), DbErr>
    where
        A: ActiveModelTrait,
    {
        let rows = statements(self.backend, models, known, None)?;
        self.statements.extend(rows);
        Ok(())
    }

    /// Another statement. On SQLite its parameters must have no names (`?`).
    pub fn push(&mut self, statement: Statement) {
        self.statements.push(statement);
    }

    /// Carries them out, in their order.
    ///
    /// # Errors
    /// The database refuses one; those before it are done, and the transaction must not commit.
    pub async fn carry_out<C: ConnectionTrait>(self, on: &C) -> Result<(), DbErr> {
        for statement in together(self.backend, self.statements) {
            on.execute_raw(statement).await?;
        }
        Ok(())
    }
}

fn together(backend: DbBackend, statements: Vec<Statement>) -> Vec<Statement> {
    let values = |statement: &Statement| statement.values.as_ref().map_or(0, |all| all.0.len());
    let few = statements.iter().map(values).sum::<usize>() <= FEW_VALUES;
    if backend != DbBackend::Sqlite || statements.len() < 2 || !few {
        return statements;
    }
    let texts: Vec<&str> = statements.iter().map(|one| one.sql.as_str()).collect();
    let text = texts.join("; ");
    let values: Vec<Value> = statements
        .into_iter()
        .filter_map(|statement| statement.values)
        .flat_map(|values| values.0)
        .collect();
    vec![Statement::from_sql_and_values(backend, text, values)]
}

#[cfg(test)]
mod tests {
    use sea_orm::{ConnectOptions, Database};

    use super::*;

    fn statement(table: &str, value: i32) -> Statement {
        let text = format!("INSERT INTO {table} (n, twice) VALUES (?, ?)");
        let values = [Value::from(value), Value::from(value * 2)];
        Statement::from_sql_and_values(DbBackend::Sqlite, text, values)
    }

    #[tokio::test]
    async fn few_rows_of_several_tables_go_at_once_and_each_statement_takes_its_own_values() {
        let mut options = ConnectOptions::new("sqlite::memory:");
        options.max_connections(1).sqlx_logging(false);
        let db = Database::connect(options).await.unwrap();
        for table in ["a", "b"] {
            let made = format!("CREATE TABLE {table} (n INTEGER PRIMARY KEY, twice INTEGER)");
            db.execute_unprepared(&made).await.unwrap();
        }
        // Twice, so that the second time the text is known.
        for round in [0, 10] {
            let mut writes = Writes::on(&db);
            writes.push(statement("a", 1 + round));
            writes.push(statement("b", 2 + round));
            writes.push(statement("a", 3 + round));
            writes.carry_out(&db).await.unwrap();
        }
        let all = "SELECT group_concat(n || ':' || twice) FROM (SELECT n, twice FROM a UNION ALL SELECT n, twice FROM b ORDER BY n)";
        let all = Statement::from_string(DbBackend::Sqlite, all);
        let row = db.query_one_raw(all).await.unwrap().unwrap();
        let all: String = row.try_get_by_index(0).unwrap();
        assert_eq!(all, "1:2,2:4,3:6,11:22,12:24,13:26");

        let mut known = Writes::on(&db);
        known.push(statement("b", 7));
        known.push(statement("a", 1));
        assert!(known.carry_out(&db).await.is_err(), "the second is there");
    }

    #[test]
    fn many_values_and_other_databases_get_a_statement_each() {
        let two = || vec![statement("a", 1), statement("b", 2)];
        assert_eq!(together(DbBackend::Sqlite, two()).len(), 1);
        assert_eq!(together(DbBackend::Postgres, two()).len(), 2);
        let many: Vec<Statement> = (0..=64).map(|n| statement("a", n)).collect();
        assert_eq!(together(DbBackend::Sqlite, many).len(), 65);
    }
}

//! Statements that ask, carried out together at the beginning of a transaction.

use std::marker::PhantomData;

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, EntityTrait, FromQueryResult, QueryResult, QuerySelect,
    QueryTrait, Select, Statement, Value, sea_query::Expr,
};

/// Beyond, a text of all questions would be one that does not come again, and the way to the database is shared by many rows anyway.
const FEW_VALUES: usize = 64;
/// The column that says which question a row answers.
const WHICH: &str = "question";

/// What a transaction has to know before it decides anything.
///
/// SQLite works on a thread of its own, and the way there and back costs more than a look-up by key: a few keys go there at once, as one
/// text. PostgreSQL is asked one question after the other, in their order.
#[derive(Debug)]
pub struct Questions {
    backend: DbBackend,
    statements: Vec<Statement>,
}

/// A question under way; its rows are read as `M`.
#[derive(Debug)]
pub struct Question<M>(usize, PhantomData<fn() -> M>);

/// What came of [`Questions`].
#[derive(Debug)]
pub struct Found(Vec<Vec<QueryResult>>);

impl Questions {
    /// None so far.
    #[must_use]
    pub fn on<C: ConnectionTrait>(on: &C) -> Self {
        Self {
            backend: on.get_database_backend(),
            statements: Vec::new(),
        }
    }

    /// For these rows.
    pub fn ask<E: EntityTrait, M: FromQueryResult>(&mut self, rows: Select<E>) -> Question<M> {
        let which = self.statements.len();
        // A literal: a parameter would be one more to be bound.
        let rows = rows.expr_as(Expr::cust(which.to_string()), WHICH);
        self.statements.push(rows.build(self.backend));
        Question(which, PhantomData)
    }

    /// Asks them, in their order.
    ///
    /// # Errors
    /// The database failed.
    pub async fn carry_out<C: ConnectionTrait>(self, on: &C) -> Result<Found, DbErr> {
        let mut found: Vec<Vec<QueryResult>> = Vec::new();
        found.resize_with(self.statements.len(), Vec::new);
        let values = |one: &Statement| one.values.as_ref().map_or(0, |all| all.0.len());
        let few = self.statements.iter().map(values).sum::<usize>() <= FEW_VALUES;
        if self.backend != DbBackend::Sqlite || self.statements.len() < 2 || !few {
            for (rows, statement) in found.iter_mut().zip(self.statements) {
                *rows = on.query_all_raw(statement).await?;
            }
            return Ok(Found(found));
        }
        let texts: Vec<&str> = self.statements.iter().map(|one| one.sql.as_str()).collect();
        let text = texts.join("; ");
        let values = self.statements.into_iter().filter_map(|one| one.values);
        let values: Vec<Value> = values.flat_map(|values| values.0).collect();
        let all = Statement::from_sql_and_values(self.backend, text, values);
        for row in on.query_all_raw(all).await? {
            let which: i64 = row.try_get("", WHICH)?;
            let rows = usize::try_from(which).ok();
            let rows = rows.and_then(|which| found.get_mut(which));
            rows.ok_or_else(|| DbErr::Custom("a row answers no question".to_owned()))?
                .push(row);
        }
        Ok(Found(found))
    }
}

impl Found {
    /// The rows that were asked for.
    ///
    /// # Errors
    /// A row does not read as `M`.
    pub fn rows<M: FromQueryResult>(&self, question: &Question<M>) -> Result<Vec<M>, DbErr> {
        let rows = self.0.get(question.0).map_or(&[][..], Vec::as_slice);
        rows.iter()
            .map(|row| M::from_query_result(row, ""))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::{
        ConnectOptions, Database, DatabaseConnection, QueryFilter as _, QueryOrder as _,
    };

    use super::*;

    mod number {
        use sea_orm::entity::prelude::*;

        #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
        #[sea_orm(table_name = "number")]
        pub struct Model {
            #[sea_orm(primary_key, auto_increment = false)]
            pub n: i64,
            pub word: String,
        }

        #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
        pub enum Relation {}
        impl ActiveModelBehavior for ActiveModel {}
    }

    /// Another shape of the same rows.
    #[derive(FromQueryResult)]
    struct Word {
        word: String,
    }

    async fn database() -> DatabaseConnection {
        let mut options = ConnectOptions::new("sqlite::memory:");
        options.max_connections(1).sqlx_logging(false);
        let db = Database::connect(options).await.unwrap();
        let rows = "CREATE TABLE number (n INTEGER PRIMARY KEY, word TEXT NOT NULL);
            WITH RECURSIVE series (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM series WHERE n < 999)
            INSERT INTO number SELECT n, 'w' || n FROM series";
        db.execute_unprepared(rows).await.unwrap();
        db
    }

    fn of(keys: impl IntoIterator<Item = i64>) -> Select<number::Entity> {
        number::Entity::find()
            .filter(sea_orm::ColumnTrait::is_in(&number::Column::N, keys))
            .order_by_asc(number::Column::N)
    }

    /// Few keys go as one text, many do not, and nobody who asks sees a difference.
    #[tokio::test]
    async fn each_question_gets_its_own_rows_however_many_keys_there_are() {
        let db = database().await;
        for (many, round) in [(2, 0), (2, 100), (200, 200)] {
            let mut questions = Questions::on(&db);
            let numbers = questions.ask::<_, number::Model>(of(round..round + many));
            let none = questions.ask::<_, number::Model>(of([5_000]));
            let words = questions.ask::<_, Word>(of([round + 7, 5_000, round]));
            let found = questions.carry_out(&db).await.unwrap();
            let numbers = found.rows(&numbers).unwrap().into_iter().map(|row| row.n);
            assert_eq!(
                numbers.collect::<Vec<_>>(),
                (round..round + many).collect::<Vec<_>>()
            );
            assert_eq!(found.rows(&none).unwrap(), []);
            let words = found.rows(&words).unwrap().into_iter().map(|row| row.word);
            assert_eq!(
                words.collect::<Vec<_>>(),
                [format!("w{round}"), format!("w{}", round + 7)]
            );
        }
    }

    #[tokio::test]
    async fn no_question_has_no_answer_and_one_that_fails_fails_all() {
        let db = database().await;
        let found = Questions::on(&db).carry_out(&db).await.unwrap();
        assert!(found.0.is_empty());
        db.execute_unprepared("DROP TABLE number").await.unwrap();
        let mut questions = Questions::on(&db);
        questions.ask::<_, number::Model>(of([1]));
        questions.ask::<_, Word>(of([1]));
        assert!(questions.carry_out(&db).await.is_err());
    }
}

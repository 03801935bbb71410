//! The table of answers that were given: its rows, its migrations, how long rows are kept, and how they are erased.

pub(super) mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "idempotent_answer")]
    pub struct Model {
        /// The first half of SHA-256 over namespace and key, in base64url.
        #[sea_orm(primary_key, auto_increment = false)]
        pub place: String,
        pub body_digest: Vec<u8>,
        /// 0 until the answer is known; never seen outside the transaction that claims it.
        pub status: i32,
        pub answer: Vec<u8>,
        /// The service's own record that holds the answer; `answer` is empty then.
        pub record: Option<Uuid>,
        pub created_at: DateTimeUtc,
        /// What the answer tells of, where it must be found for that: a person may have to be erased.
        pub about: Option<Uuid>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, QueryTrait,
    sea_query::Expr,
};
use sea_orm_migration::prelude::{
    Alias, ColumnDef, Index, MigrationName, MigrationTrait, SchemaManager, Table, async_trait,
};
use uuid::Uuid;
use warikan_types::Timestamp;

/// Ids per statement.
const CHUNK: usize = 5_000;

/// How long an answer can be replayed.
pub const KEPT: std::time::Duration = std::time::Duration::from_secs(48 * 3600);
/// Answers removed with one statement: requests wait no longer for it than for a commit.
const PRUNED: u64 = 1_000;

/// Removes some answers given before `before`, and says whether there may be more.
///
/// # Errors
/// The database failed.
pub async fn prune<C: ConnectionTrait>(on: &C, before: Timestamp) -> Result<bool, DbErr> {
    let old = entity::Entity::find()
        .select_only()
        .column(entity::Column::Place)
        .filter(entity::Column::CreatedAt.lt(before.utc()))
        .limit(PRUNED)
        .into_query();
    let removed = entity::Entity::delete_many()
        .filter(entity::Column::Place.in_subquery(old))
        .exec(on)
        .await?;
    Ok(removed.rows_affected >= PRUNED)
}

/// Erases the answers that were kept as about one of these. Their keys stay used: the requests are not carried out again.
///
/// # Errors
/// The database failed.
pub async fn erase_about<C: ConnectionTrait>(on: &C, these: &[Uuid]) -> Result<(), DbErr> {
    for chunk in these.chunks(CHUNK) {
        let these = entity::Column::About.is_in(chunk.iter().copied());
        erase_where(on, these).await?;
    }
    Ok(())
}

async fn erase_where<C: ConnectionTrait>(on: &C, which: Expr) -> Result<(), DbErr> {
    entity::Entity::update_many()
        .filter(which)
        .col_expr(entity::Column::Answer, Expr::value(Vec::<u8>::new()))
        .exec(on)
        .await?;
    Ok(())
}

/// The migration for services that take idempotency keys.
#[must_use]
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![
        Box::new(IdempotentAnswers),
        Box::new(Records),
        Box::new(About),
    ]
}

struct About;

impl MigrationName for About {
    fn name(&self) -> &'static str {
        "m0005_idempotent_answers_about"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for About {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let alter = Table::alter()
            .table(Alias::new("idempotent_answer"))
            .add_column(ColumnDef::new(Alias::new("about")).uuid())
            .to_owned();
        manager.alter_table(alter).await?;
        let sql = "CREATE INDEX idempotent_answer_about ON idempotent_answer (about) WHERE about IS NOT NULL";
        manager.get_connection().execute_unprepared(sql).await?;
        Ok(())
    }
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

/// Answers that lie in a record of the service, and an index by age, so that what is old is found without reading what is not.
struct Records;

impl MigrationName for Records {
    fn name(&self) -> &'static str {
        "m0003_idempotent_records"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Records {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = || Alias::new("idempotent_answer");
        manager
            .alter_table(
                Table::alter()
                    .table(table())
                    .add_column(ColumnDef::new(Alias::new("record")).uuid())
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("idempotent_answer_age")
                    .table(table())
                    .col(Alias::new("created_at"))
                    .to_owned(),
            )
            .await
    }
}

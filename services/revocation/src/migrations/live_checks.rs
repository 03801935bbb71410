//! Look-ups that asked an OCSP responder too: all that was heard, and why nothing was found out.

use sea_orm_migration::prelude::*;

use super::col;

pub(super) struct LiveChecks;

impl MigrationName for LiveChecks {
    fn name(&self) -> &'static str {
        "m0313_live_checks"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for LiveChecks {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // One column a statement: SQLite takes no more.
        for column in [col("unknown_reason").text(), col("sources").text()] {
            let add = Table::alter()
                .table(Alias::new("status_check"))
                .add_column(column)
                .to_owned();
            manager.alter_table(add).await?;
        }
        Ok(())
    }
}

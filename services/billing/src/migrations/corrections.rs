//! Credit notes and reissued invoices.

use sea_orm_migration::prelude::*;

pub(super) struct Corrections;

impl MigrationName for Corrections {
    fn name(&self) -> &'static str {
        "m0504_corrections"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Corrections {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let statements = [
            "ALTER TABLE invoice ADD COLUMN document text NOT NULL DEFAULT 'invoice'",
            "ALTER TABLE invoice ADD COLUMN issue integer NOT NULL DEFAULT 1",
            "ALTER TABLE invoice ADD COLUMN refers_to uuid",
            "ALTER TABLE invoice ADD COLUMN reference text",
            "DROP INDEX invoice_period",
            "CREATE UNIQUE INDEX invoice_issue ON invoice (tenant, environment, period, document, issue)",
            "CREATE INDEX invoice_month ON invoice (environment, period, tenant)",
            "CREATE INDEX invoice_refers_to ON invoice (refers_to)",
        ];
        for statement in statements {
            manager
                .get_connection()
                .execute_unprepared(statement)
                .await?;
        }
        Ok(())
    }
}

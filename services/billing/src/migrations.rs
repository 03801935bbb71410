//! The schema of billing.

mod budgets;
mod corrections;
mod reconciliation;
mod sharing;

use sea_orm_migration::prelude::*;

pub(crate) fn own() -> Vec<Box<dyn MigrationTrait>> {
    vec![
        Box::new(Metering),
        Box::new(Invoicing),
        Box::new(sharing::Sharing),
        Box::new(corrections::Corrections),
        Box::new(budgets::Budgets),
        Box::new(reconciliation::Reconciliation),
    ]
}

/// Everything in this service's database.
pub(crate) struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let mut all = warikan_messaging::migrations();
        all.extend(warikan_http::migrations());
        all.extend(own());
        all
    }
}

fn col(name: &'static str) -> ColumnDef {
    ColumnDef::new(Alias::new(name))
}

struct Metering;

impl MigrationName for Metering {
    fn name(&self) -> &'static str {
        "m0501_metering"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Metering {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(Alias::new("recipient"))
                    .col(col("tenant").uuid().not_null().primary_key())
                    .col(col("name").text().not_null())
                    .col(col("plan").text().not_null())
                    .col(col("state").text().not_null())
                    .col(col("revision").big_integer().not_null())
                    .col(col("activated_at").timestamp_with_time_zone())
                    .col(col("ended_at").timestamp_with_time_zone())
                    .to_owned(),
            )
            .await?;
        manager.create_table(usage_record()).await?;
        let statements = [
            // The promise that an operation is billed once, kept by the database.
            "CREATE UNIQUE INDEX usage_record_operation ON usage_record (tenant, environment, meter, operation)",
            "CREATE INDEX usage_record_month ON usage_record (environment, month, tenant)",
            "CREATE INDEX usage_record_bill ON usage_record (environment, bill_month, tenant, id)",
            "CREATE TABLE ledger (id integer NOT NULL PRIMARY KEY CHECK (id = 1), closed_through text)",
            "INSERT INTO ledger (id, closed_through) VALUES (1, NULL)",
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

fn usage_record() -> TableCreateStatement {
    Table::create()
        .table(Alias::new("usage_record"))
        .col(col("id").uuid().not_null().primary_key())
        .col(col("tenant").uuid().not_null())
        .col(col("environment").text().not_null())
        .col(col("meter").text().not_null())
        .col(col("operation").text().not_null())
        .col(col("purpose").text())
        .col(col("kind").text())
        .col(col("channel").text())
        // No operation has a negative size, and no honest one this many units.
        .col(
            col("quantity")
                .big_integer()
                .not_null()
                .check(Expr::cust("quantity BETWEEN 1 AND 1000000000000")),
        )
        .col(col("accepted_at").timestamp_with_time_zone().not_null())
        .col(col("month").text().not_null())
        .col(col("bill_month").text().not_null())
        .col(col("priced_on").date().not_null())
        .col(col("billable").boolean().not_null())
        .col(col("rule").text().not_null())
        .col(col("verdict").text())
        .col(col("reason").text())
        .col(col("recorded_at").timestamp_with_time_zone().not_null())
        .to_owned()
}

struct Invoicing;

impl MigrationName for Invoicing {
    fn name(&self) -> &'static str {
        "m0502_invoicing"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Invoicing {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(Alias::new("closed_month"))
                    .col(col("month").text().not_null().primary_key())
                    .col(col("closed_at").timestamp_with_time_zone().not_null())
                    .col(col("invoices").big_integer().not_null())
                    .col(col("subtotal").big_integer().not_null())
                    .col(col("tax").big_integer().not_null())
                    .col(col("total").big_integer().not_null())
                    .to_owned(),
            )
            .await?;
        manager.create_table(invoice()).await?;
        manager.create_table(invoice_line()).await?;
        manager
            .get_connection()
            .execute_unprepared(
                "CREATE UNIQUE INDEX invoice_period ON invoice (tenant, environment, period)",
            )
            .await?;
        Ok(())
    }
}

fn invoice() -> TableCreateStatement {
    Table::create()
        .table(Alias::new("invoice"))
        .col(col("id").uuid().not_null().primary_key())
        .col(col("tenant").uuid().not_null())
        .col(col("environment").text().not_null())
        .col(col("number").text().not_null().unique_key())
        .col(col("period").text().not_null())
        .col(col("issued_on").date().not_null())
        .col(col("issuer_name").text().not_null())
        .col(col("registration_number").text().not_null())
        .col(col("recipient_name").text().not_null())
        .col(col("plan").text().not_null())
        .col(col("tax_rounding").text().not_null())
        .col(col("subtotal").big_integer().not_null())
        .col(col("tax").big_integer().not_null())
        .col(col("total").big_integer().not_null())
        .col(col("tax_totals").text().not_null())
        .to_owned()
}

fn invoice_line() -> TableCreateStatement {
    Table::create()
        .table(Alias::new("invoice_line"))
        .col(col("invoice").uuid().not_null())
        .col(col("n").integer().not_null())
        .col(col("tenant").uuid().not_null())
        .col(col("environment").text().not_null())
        .col(col("category").text().not_null())
        .col(col("charged_for").text().not_null())
        .col(col("description_ja").text().not_null())
        .col(col("description_en").text().not_null())
        .col(col("service_month").text().not_null())
        .col(col("meter").text())
        .col(col("purpose").text())
        .col(col("kind").text())
        .col(col("channel").text())
        .col(col("first_day").date())
        .col(col("last_day").date())
        .col(col("quantity").big_integer().not_null())
        .col(col("unit_price").big_integer().not_null())
        .col(col("list_price").big_integer())
        .col(col("amount").big_integer().not_null())
        .col(col("tax_category").text().not_null())
        .col(col("tax_rate_percent").integer().not_null())
        .primary_key(Index::create().col("invoice").col("n"))
        .to_owned()
}

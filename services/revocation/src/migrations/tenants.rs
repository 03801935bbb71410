//! Where tenants stand: a suspended one's watches rest, a closed one's end.

use sea_orm_migration::prelude::*;

use super::{col, table};

pub(super) struct Tenants;

impl MigrationName for Tenants {
    fn name(&self) -> &'static str {
        "m0314_tenants"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Tenants {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let standing = table("tenant_standing")
            .col(col("tenant").uuid().not_null().primary_key())
            .col(col("state").string_len(16).not_null())
            .col(col("revision").big_integer().not_null())
            .to_owned();
        manager.create_table(standing).await
    }
}

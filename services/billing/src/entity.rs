//! The tables of billing. Months are text (`2026-11`), which sorts as time does.

pub(crate) mod recipient {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "recipient")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub tenant: Uuid,
        pub name: String,
        pub plan: String,
        pub state: String,
        pub revision: i64,
        /// When it first could use production; base fees begin with that month.
        pub activated_at: Option<DateTimeUtc>,
        /// When it was closed; base fees end with that month.
        pub ended_at: Option<DateTimeUtc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod usage_record {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "usage_record")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant: Uuid,
        pub environment: String,
        pub meter: String,
        pub operation: String,
        pub purpose: Option<String>,
        pub kind: Option<String>,
        pub channel: Option<String>,
        pub quantity: i64,
        pub accepted_at: DateTimeUtc,
        /// The month it was accepted in.
        pub month: String,
        /// The month on whose invoice it goes.
        pub bill_month: String,
        /// The day in Japan whose tariff applies.
        pub priced_on: Date,
        pub billable: bool,
        pub rule: String,
        pub verdict: Option<String>,
        pub reason: Option<String>,
        pub recorded_at: DateTimeUtc,
        /// Summed up in comparisons with what services say; none on records from before these.
        pub mark: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod ledger {
    use sea_orm::entity::prelude::*;

    /// One row: every month up to this one is closed. Meters read it under a shared lock and the close writes it, so
    /// that no record slips into a month while it is being closed.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "ledger")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub closed_through: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod closed_month {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "closed_month")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub month: String,
        pub closed_at: DateTimeUtc,
        pub invoices: i64,
        pub subtotal: i64,
        pub tax: i64,
        pub total: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod invoice {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "invoice")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant: Uuid,
        pub environment: String,
        pub number: String,
        pub period: String,
        pub issued_on: Date,
        pub issuer_name: String,
        pub registration_number: String,
        pub recipient_name: String,
        pub plan: String,
        pub tax_rounding: String,
        pub subtotal: i64,
        pub tax: i64,
        pub total: i64,
        /// Totals per rate as JSON.
        pub tax_totals: String,
        pub document: String,
        /// Counts documents of one kind for one tenant and month, from 1.
        pub issue: i32,
        pub refers_to: Option<Uuid>,
        /// The other document as this one names it, as JSON.
        pub reference: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod invoice_line {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "invoice_line")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub invoice: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub n: i32,
        pub tenant: Uuid,
        pub environment: String,
        pub category: String,
        pub charged_for: String,
        pub description_ja: String,
        pub description_en: String,
        pub service_month: String,
        pub meter: Option<String>,
        pub purpose: Option<String>,
        pub kind: Option<String>,
        pub channel: Option<String>,
        pub first_day: Option<Date>,
        pub last_day: Option<Date>,
        pub quantity: i64,
        pub unit_price: i64,
        pub list_price: Option<i64>,
        pub amount: i64,
        pub tax_category: String,
        pub tax_rate_percent: i32,
        /// What further explains it, as JSON: plan, share, records on the lines before.
        pub detail: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod recipient_plan {
    use sea_orm::entity::prelude::*;

    /// A tenant's plan as of one revision: the past is not overwritten.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "recipient_plan")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub tenant: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub revision: i64,
        pub plan: String,
        /// The day in Japan from which it holds.
        pub from_day: Date,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod shared_cost {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "shared_cost")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub month: String,
        pub category: String,
        pub amount: i64,
        pub note: String,
        pub entered_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod budget {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "budget")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub tenant: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub environment: String,
        pub amount: i64,
        /// Percentages, ascending, with spaces between.
        pub thresholds: String,
        pub changed_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod budget_crossing {
    use sea_orm::entity::prelude::*;

    /// A threshold that was reached in a month, and told.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "budget_crossing")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub tenant: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub environment: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub month: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub percent: i32,
        pub spent: i64,
        pub crossed_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod reconciliation {
    use sea_orm::entity::prelude::*;

    /// What the last comparison of a month found.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "reconciliation")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub month: String,
        pub checked_at: DateTimeUtc,
        /// The answer as it is told, as JSON.
        pub result: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod agreed_group {
    use sea_orm::entity::prelude::*;

    /// The two tallies at which usage and operations of a group, compared one by one, were found to be the same.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "agreed_group")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub month: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub tenant: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub environment: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub meter: String,
        pub told: i64,
        pub told_marks: i64,
        pub held: i64,
        pub held_marks: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

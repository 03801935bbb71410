//! The service's tables.

/// The last sequence number given, per tenant and environment.
pub(crate) mod feed_head {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "feed_head")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub tenant: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub environment: String,
        pub last_sequence: i64,
        /// The oldest number that is still kept.
        pub first_sequence: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod event {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "feed_event")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant: Uuid,
        pub environment: String,
        pub sequence: i64,
        pub event_type: String,
        pub occurred_at: DateTimeUtc,
        /// The message as it is sent, so that every attempt ever made carries the same octets.
        pub body: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod endpoint {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "endpoint")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant: Uuid,
        pub environment: String,
        pub url: String,
        /// Event types, separated by commas; empty for all.
        pub types: String,
        pub enabled: bool,
        pub disabled_cause: Option<String>,
        pub disabled_at: Option<DateTimeUtc>,
        /// Since when every attempt has failed.
        pub failing_since: Option<DateTimeUtc>,
        pub last_failed_at: Option<DateTimeUtc>,
        /// Sealed.
        pub secret: Vec<u8>,
        /// Sealed; signs along until `previous_until`.
        pub previous_secret: Option<Vec<u8>>,
        pub previous_until: Option<DateTimeUtc>,
        /// `whpk_..`; none for endpoints older than `v1a` here.
        pub public_key: Option<String>,
        pub previous_public_key: Option<String>,
        /// Asked for less: nothing is sent before this.
        pub throttled_until: Option<DateTimeUtc>,
        /// How often in a row it asked.
        pub throttle_step: i32,
        pub created_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod delivery {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "delivery")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant: Uuid,
        pub environment: String,
        pub endpoint: Uuid,
        pub event: Uuid,
        pub event_type: String,
        /// `pending`, `delivered` or `failed`.
        pub state: String,
        /// Attempts begun; the number of the latest.
        pub attempts: i32,
        /// Attempts that belong to earlier rounds: a resend starts the ladder anew.
        pub round_start: i32,
        pub next_attempt_at: DateTimeUtc,
        pub lease_until: Option<DateTimeUtc>,
        pub created_at: DateTimeUtc,
        pub finished_at: Option<DateTimeUtc>,
        /// Since when it could have been told, until it is: then that time is measured and forgotten.
        pub published_at: Option<DateTimeUtc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod attempt {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "delivery_attempt")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub delivery: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub number: i32,
        pub at: DateTimeUtc,
        pub status: Option<i32>,
        pub error: Option<String>,
        pub duration_ms: i64,
        /// Where it went, and what was signed: with the event's body, the request as it was.
        pub url: Option<String>,
        pub signature: Option<String>,
        /// The beginning of the answer's body.
        pub answer: Option<String>,
        /// Whether the answer went on.
        pub answer_cut: bool,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod notice {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "operator_notice")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant: Uuid,
        pub environment: String,
        pub endpoint: Uuid,
        pub cause: String,
        pub failing_since: Option<DateTimeUtc>,
        pub at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Where a tenant stands, as onboarding last said.
pub(crate) mod tenant_standing {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "tenant_standing")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub tenant: Uuid,
        pub state: String,
        pub revision: i64,
        /// Since when it stands there; `None`: written before the column was there.
        pub since: Option<DateTimeUtc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

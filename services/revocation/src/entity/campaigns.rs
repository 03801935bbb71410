//! The tables of campaigns.

/// An order to check many certificates against one status version, and how far it is.
pub(crate) mod campaign {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "campaign")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant: Uuid,
        pub environment: String,
        /// `all`, `refs`, `upload`.
        pub selector: String,
        pub max_age_seconds: Option<i64>,
        /// `collecting`, `running`, `completed`, `cancelled`.
        pub state: String,
        pub created_at: DateTimeUtc,
        /// What is watched at this moment belongs to a campaign over all.
        pub started_at: Option<DateTimeUtc>,
        /// As of when everything is judged, by the environment's clock.
        pub judged_at: Option<DateTimeUtc>,
        pub status_version: Option<String>,
        pub lists: i64,
        pub oldest_this_update: Option<DateTimeUtc>,
        pub total: i64,
        pub checked: i64,
        pub good: i64,
        pub revoked: i64,
        pub expired: i64,
        pub unknown: i64,
        /// The last handle that was checked.
        pub cursor: Option<Uuid>,
        /// How often it began anew because the lists changed while nobody held those it had begun with.
        pub restarts: i64,
        pub root: Option<Vec<u8>>,
        pub receipt: Option<String>,
        pub completed_at: Option<DateTimeUtc>,
        /// Who works on it, and until when nobody else does.
        pub lease: Option<Uuid>,
        pub leased_until: Option<DateTimeUtc>,
        /// When it had its last turn: the one that waits longest is next.
        pub served_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// A certificate that a tenant named for a campaign. Gone when the campaign is over.
pub(crate) mod campaign_item {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "campaign_item")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub campaign: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub handle: Uuid,
        pub tenant: Uuid,
        /// Sealed.
        pub reference: Option<Vec<u8>>,
        pub issuer: String,
        pub serial: Vec<u8>,
        pub partition: String,
        pub kind: String,
        pub not_after: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Results of up to 4,096 certificates in the order of their handles, packed.
pub(crate) mod campaign_chunk {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "campaign_chunk")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub campaign: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub number: i64,
        pub tenant: Uuid,
        pub last_handle: Uuid,
        /// Root over its leaves.
        pub root: Vec<u8>,
        pub results: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// A certificate that was not found good, once for each customer number it goes by.
pub(crate) mod campaign_change {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "campaign_change")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant: Uuid,
        pub campaign: Uuid,
        pub handle: Uuid,
        /// The watch whose customer number it is.
        pub watch: Option<Uuid>,
        /// Sealed: the customer number that came with the portfolio.
        pub reference: Option<Vec<u8>>,
        pub kind: String,
        pub not_after: DateTimeUtc,
        /// The two codes of the finding.
        pub finding: i16,
        pub revoked_at: Option<DateTimeUtc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

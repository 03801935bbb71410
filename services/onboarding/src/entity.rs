//! The tables.

pub(crate) mod tenant {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "tenant")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub name: String,
        pub kind: String,
        pub plan: String,
        pub state: String,
        pub revision: i64,
        pub created_at: DateTimeUtc,
        /// JSON; NULL until they are recorded.
        pub particulars: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod checklist {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "checklist_entry")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub tenant: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub item: String,
        pub evidence: String,
        pub dated: String,
        pub recorded_at: DateTimeUtc,
        pub recorded_by: Uuid,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod client {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "client")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        /// NULL for the operator.
        pub tenant: Option<Uuid>,
        /// NULL for the operator.
        pub environment: Option<String>,
        pub scopes: String,
        /// Empty where there is no secret.
        pub secret_digest: Vec<u8>,
        pub created_at: DateTimeUtc,
        pub revoked_at: Option<DateTimeUtc>,
        pub last_used_at: Option<DateTimeUtc>,
        pub name: Option<String>,
        pub expires_at: Option<DateTimeUtc>,
        /// Networks with spaces between; NULL for anywhere.
        pub networks: Option<String>,
        /// A JWK Set; NULL where there is none.
        pub public_keys: Option<String>,
        /// The secret before the last rotation.
        pub previous_digest: Option<Vec<u8>>,
        pub previous_until: Option<DateTimeUtc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod assertion {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "client_assertion")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub client: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub digest: Vec<u8>,
        pub until: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod audit_record {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit_record")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub chain: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub sequence: i64,
        pub id: Uuid,
        /// NULL in the operator's own chain.
        pub tenant: Option<Uuid>,
        /// NULL for what concerns the tenant as such.
        pub environment: Option<String>,
        pub at: DateTimeUtc,
        pub actor_kind: String,
        pub actor: Option<String>,
        pub act: String,
        pub outcome: String,
        pub subject: Option<String>,
        pub request_id: Option<String>,
        /// A JSON object of texts.
        pub details: String,
        pub previous: String,
        pub hash: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod audit_head {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit_head")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub chain: String,
        pub tenant: Option<Uuid>,
        pub environment: Option<String>,
        pub length: i64,
        pub hash: String,
        /// A compact JWS over the three of chain, length and hash.
        pub statement: String,
        pub signed_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod token_key {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "token_key")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub kid: String,
        /// The seed; empty for the key file's own key, and for one that is over.
        pub sealed: Vec<u8>,
        pub signs_from: DateTimeUtc,
        /// NULL while no later key is there.
        pub until: Option<DateTimeUtc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

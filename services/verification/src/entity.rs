//! The tables.

pub(crate) mod challenge {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "challenge")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant: Uuid,
        pub environment: String,
        pub purpose: String,
        pub algorithm: String,
        /// The digest that the signature must be over.
        pub digest: Vec<u8>,
        pub expires_at: DateTimeUtc,
        /// The verification that used it.
        pub used_by: Option<Uuid>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod verification {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "verification")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant: Uuid,
        pub environment: String,
        pub verdict: String,
        pub subject: Option<Uuid>,
        pub accepted_at: DateTimeUtc,
        /// Empty but in rows of the old form (`crate::legacy`).
        pub answer: Vec<u8>,
        /// The answer without the attributes and what it was decided on, in one sealed box; empty once the subject is erased.
        pub evidence: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod subject {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "subject")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant: Uuid,
        pub environment: String,
        /// The tenant's customer number: SHA-256 to find it, sealed to tell it.
        pub reference_digest: Option<Vec<u8>>,
        pub reference: Option<Vec<u8>>,
        pub created_at: DateTimeUtc,
        pub erased_at: Option<DateTimeUtc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod subject_certificate {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "subject_certificate")]
    pub struct Model {
        /// The handle: it already differs by tenant and environment.
        #[sea_orm(primary_key, auto_increment = false)]
        pub handle: Uuid,
        pub tenant: Uuid,
        pub environment: String,
        pub subject: Uuid,
        pub kind: String,
        pub not_after: DateTimeUtc,
        /// `None`: written before the column was there.
        pub not_before: Option<DateTimeUtc>,
        /// Issuer key, serial and partition, sealed: never told, needed to look the status up.
        pub identity: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

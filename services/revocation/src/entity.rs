//! The tables.

mod campaigns;

pub(crate) use campaigns::{campaign, campaign_change, campaign_chunk, campaign_item};

/// A list that was accepted at least once: its version in force.
pub(crate) mod crl_partition {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "crl_partition")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub environment: String,
        /// Hexadecimal.
        pub issuer: String,
        /// Hexadecimal, or `all` for an undivided list.
        pub partition: String,
        /// Counts the accepted versions from 1.
        pub seq: i64,
        /// cRLNumber, big-endian.
        pub number: Vec<u8>,
        pub this_update: DateTimeUtc,
        pub next_update: DateTimeUtc,
        /// SHA-256 of the list, hexadecimal.
        pub version: String,
        /// Up to this version the watches have been joined with the entries.
        pub flagged_through: i64,
        /// The last billing month in which a sync found the list in force.
        pub confirmed_month: String,
        /// The change of the platform's knowledge that brought this version: see `crl_change`.
        pub change: i64,
        /// The version of the newest whole snapshot.
        pub whole_seq: i64,
        /// Steps in the changes since then.
        pub loose: i64,
        /// `whole` or `delta`: the list in which this version came.
        pub form: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// Every version that was ever in force.
pub(crate) mod crl_version {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "crl_version")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub partition_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub seq: i64,
        pub version: String,
        pub number: Vec<u8>,
        pub this_update: DateTimeUtc,
        pub next_update: DateTimeUtc,
        pub entries: i64,
        pub added: i64,
        pub changed: i64,
        pub vanished: i64,
        pub accepted_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// A stored table, or the change from the version before: what `crl_snapshot_part` holds, with its checksum.
pub(crate) mod crl_snapshot {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "crl_snapshot")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub partition_id: Uuid,
        /// `whole` or `delta`.
        #[sea_orm(primary_key, auto_increment = false)]
        pub form: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub seq: i64,
        /// How many octets its parts have together.
        pub octets: i64,
        /// SHA-256 over them, hexadecimal.
        pub sha256: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// A piece of a snapshot's octets.
pub(crate) mod crl_snapshot_part {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "crl_snapshot_part")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub partition_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub form: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub seq: i64,
        #[sea_orm(primary_key, auto_increment = false)]
        pub part: i32,
        pub octets: Vec<u8>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// One row: counts the versions that were taken over, so that a process sees at once whether it knows all of them.
pub(crate) mod crl_change {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "crl_change")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub change: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// An address that an index named, and which list it brought.
pub(crate) mod source_list {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "source_list")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub environment: String,
        pub url: String,
        /// Whether the last index named it.
        pub listed: bool,
        pub partition_id: Option<Uuid>,
        /// `whole` or `delta`: what it brought last; a list may come in both forms, from two addresses.
        pub form: String,
        /// SHA-256 of the octets that it brought last and that were believed, hexadecimal.
        pub brought: Option<String>,
        /// What the source called them (RFC 9110 8.8), to ask for nothing but news.
        pub etag: Option<String>,
        pub last_modified: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// An oddity of a source, from its first appearance until it was gone.
pub(crate) mod source_problem {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "source_problem")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub environment: String,
        /// The address of the list, or of the index.
        pub url: String,
        pub code: String,
        pub detail: String,
        pub first_at: DateTimeUtc,
        pub last_at: DateTimeUtc,
        pub times: i64,
        pub resolved_at: Option<DateTimeUtc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// A tenant's standing order, and its flag.
pub(crate) mod watch {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "watch")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant: Uuid,
        pub environment: String,
        pub issuer: String,
        pub serial: Vec<u8>,
        /// As in `crl_partition`; `all` where the certificate names no distribution point.
        pub partition: String,
        pub kind: String,
        pub not_after: DateTimeUtc,
        pub handle: Uuid,
        pub subject: Option<Uuid>,
        /// Sealed.
        pub reference: Option<Vec<u8>>,
        /// Keyed fingerprint under which the reference is found.
        pub reference_key: Option<Vec<u8>>,
        pub created_at: DateTimeUtc,
        pub ended_at: Option<DateTimeUtc>,
        pub flagged_at: Option<DateTimeUtc>,
        pub flag_reason: Option<i16>,
        pub revoked_at: Option<DateTimeUtc>,
        pub flag_this_update: Option<DateTimeUtc>,
        pub flag_version: Option<String>,
        /// The last billing month it was metered for; empty before the first.
        pub metered_month: String,
        /// When the tenant was told that the certificate ends soon.
        pub expiring_told_at: Option<DateTimeUtc>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// A tenant that was told that an environment's lists are stale, and not yet that they are in force again.
pub(crate) mod source_notice {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "source_notice")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub tenant: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub environment: String,
        pub since: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// A person whom a tenant had erased: an order to watch them that comes late must not bring them back.
pub(crate) mod erased_subject {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "erased_subject")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub subject: Uuid,
        pub erased_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// A certificate of a person that a later one of the same kind replaces, both by their handles: they differ by tenant and
/// environment already.
pub(crate) mod renewal {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "renewal")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub replaced: Uuid,
        pub tenant: Uuid,
        pub replacement: Uuid,
        pub told_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// A look-up that a tenant asked for.
pub(crate) mod status_check {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "status_check")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant: Uuid,
        pub environment: String,
        pub handle: Uuid,
        pub state: String,
        pub channel: String,
        pub reason: Option<i16>,
        pub revoked_at: Option<DateTimeUtc>,
        pub this_update: DateTimeUtc,
        pub next_update: DateTimeUtc,
        pub age_seconds: i64,
        pub version: String,
        pub checked_at: DateTimeUtc,
        /// The moment that was asked about, where it was not that of the look-up.
        pub as_of: Option<DateTimeUtc>,
        /// Why the state is unknown, where it was not that the list was past its end.
        pub unknown_reason: Option<String>,
        /// Every source that was asked, JSON; `None`: the list alone.
        pub sources: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

/// A full re-check and what it found beyond the event path.
pub(crate) mod recheck_run {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "recheck_run")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub finished_at: DateTimeUtc,
        pub lists: i64,
        pub missed: i64,
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
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

//! What can be odd about a list, in the operator's words.
//!
//! None of these stops anything but the one list: its version from before stays in force and grows older visibly.

use warikan_pki::CrlError;

/// Why a list was not taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ListProblem {
    #[error("cannot be fetched: {0}")]
    Unreachable(String),
    #[error("the source answers with HTTP status {0}")]
    HttpStatus(u16),
    #[error("larger than the {0} octets that are taken")]
    TooLarge(usize),
    #[error("not an index of lists: {0}")]
    Index(String),
    #[error("the drop folder cannot be used: {0}")]
    Folder(String),
    #[error("an address outside the source's host, or none at all")]
    Address,
    #[error("no pinned issuer of this environment has signed it")]
    NotVerified,
    #[error("cannot be used: {0}")]
    Unusable(CrlError),
    #[error("for some reasons alone: it could never say that a certificate is good")]
    SomeReasons,
    #[error("its number {offered} is lower than {held}, which is in force")]
    NotNewer { held: String, offered: String },
    #[error("its number {0} is that of the list in force, and its content differs")]
    NumberReused(String),
    #[error("its number is higher than that of the list in force, and its thisUpdate earlier")]
    EarlierThisUpdate,
    #[error("a delta over list {0}, which was never taken over")]
    BaseUnknown(String),
    #[error("not whole: it ends before its own length says")]
    Incomplete,
    #[error("the list of another address of the same index")]
    OtherList,
    #[error("no longer named by the index")]
    NotListed,
    #[error(
        "{early} entries left the list before their certificates ended, {holds} of all that left were holds; all of them stay revoked here"
    )]
    EntriesVanished { early: usize, holds: usize },
    #[error("its stored version cannot be read ({0}); it is built anew from the source")]
    Damaged(&'static str),
    #[error("reading it ended by panic")]
    Panicked,
}

/// The code of [`ListProblem::EntriesVanished`], which no later good list settles.
pub(crate) const ENTRIES_VANISHED: &str = "entries_vanished";

impl ListProblem {
    /// Stable word for programs and metrics.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::HttpStatus(_) => "http_status",
            Self::TooLarge(_) => "too_large",
            Self::Index(_) => "index_malformed",
            Self::Folder(_) => "folder",
            Self::Address => "address_refused",
            Self::NotVerified => "not_verified",
            Self::Unusable(_) => "unusable",
            Self::SomeReasons => "some_reasons",
            Self::NotNewer { .. } => "number_not_newer",
            Self::NumberReused(_) => "number_reused",
            Self::EarlierThisUpdate => "this_update_earlier",
            Self::BaseUnknown(_) => "delta_base_unknown",
            Self::Incomplete => "incomplete",
            Self::OtherList => "other_list",
            Self::NotListed => "not_listed",
            Self::EntriesVanished { .. } => ENTRIES_VANISHED,
            Self::Damaged(_) => "snapshot_damaged",
            Self::Panicked => "panicked",
        }
    }
}

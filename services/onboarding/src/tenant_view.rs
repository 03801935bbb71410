//! What the operator is shown of a tenant.

use serde::Serialize;
use utoipa::ToSchema;
use warikan_contracts::facts::TenantState;
use warikan_types::{ClientId, Id, TenantId, Timestamp};

use crate::{
    error::Error,
    particulars::Particulars,
    store::{self, ChecklistRow, TenantRow},
    tenant::{ChecklistItem, TenantKind},
    tenant_life::kind_of,
};

/// A tenant.
#[derive(Serialize, ToSchema)]
pub(crate) struct TenantView {
    pub(crate) id: TenantId,
    pub(crate) name: String,
    pub(crate) kind: TenantKind,
    plan: String,
    pub(crate) state: TenantState,
    /// What a filing says of it.
    pub(crate) particulars: Option<Particulars>,
    /// What stands of the go-live checklist.
    pub(crate) checklist: Vec<ChecklistView>,
    /// What is still missing before production.
    pub(crate) missing: Vec<ChecklistItem>,
    created_at: Timestamp,
}

/// One item of the checklist that stands.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct ChecklistView {
    pub(crate) item: ChecklistItem,
    /// Where the proof lies: a document's number, a file's name.
    pub(crate) evidence: String,
    /// The date on the document, JST.
    pub(crate) date: String,
    recorded_at: Timestamp,
    /// The operator's account that recorded it.
    recorded_by: ClientId,
}

impl TenantView {
    pub(crate) fn of(row: TenantRow, checklist: Vec<ChecklistRow>) -> Result<Self, Error> {
        let done = store::items(&checklist);
        let state = TenantState::from_word(&row.state).ok_or(Error::Damaged("tenant.state"))?;
        Ok(Self {
            id: Id::from_uuid(row.id),
            kind: kind_of(&row)?,
            state,
            particulars: Particulars::of_row(&row)?,
            name: row.name,
            plan: row.plan,
            missing: ChecklistItem::ALL
                .into_iter()
                .filter(|item| !done.contains(item))
                .collect(),
            checklist: checklist
                .into_iter()
                .map(ChecklistView::of)
                .collect::<Result<_, Error>>()?,
            created_at: row.created_at.into(),
        })
    }
}

impl ChecklistView {
    fn of(row: ChecklistRow) -> Result<Self, Error> {
        Ok(Self {
            item: ChecklistItem::from_word(&row.item).ok_or(Error::Damaged("checklist.item"))?,
            evidence: row.evidence,
            date: row.dated,
            recorded_at: row.recorded_at.into(),
            recorded_by: Id::from_uuid(row.recorded_by),
        })
    }
}

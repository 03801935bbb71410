//! Taking a tenant on, recording what the law wants of it, and leading it through its life.

use warikan_contracts::{
    Envelope,
    facts::{TenantChanged, TenantClosed, TenantResumed, TenantState, TenantSuspended},
};
use warikan_http::{Answer, Idempotency, Problem};
use warikan_messaging::{Outbox, begin_write};
use warikan_types::{Client, Id, TenantId, Timestamp};

use crate::{
    Onboarding,
    audit::{Actor, Entry},
    error::Error,
    particulars::Particulars,
    store::{self, ChecklistRow, TenantRow},
    tenant::{ChecklistItem, TenantKind, step},
    tenant_view::TenantView,
};

/// A tenant that is taken on; its texts have been looked at.
pub(crate) struct NewTenant {
    pub(crate) name: String,
    pub(crate) kind: TenantKind,
    pub(crate) plan: String,
}

/// An item of the checklist; its text has been looked at.
pub(crate) struct NewItem {
    pub(crate) item: ChecklistItem,
    pub(crate) evidence: String,
    /// Today in Japan where absent.
    pub(crate) date: Option<chrono::NaiveDate>,
}

/// The day in Japan.
pub(crate) fn today(now: Timestamp) -> chrono::NaiveDate {
    (now.utc() + chrono::Duration::hours(9)).date_naive()
}

impl Onboarding {
    pub(crate) async fn take_on(
        &self,
        by: Id<Client>,
        new: NewTenant,
        once: &Idempotency,
    ) -> Result<Answer, Problem> {
        let platform = &self.0.platform;
        let now = platform.clock().now();
        let transaction = begin_write(self.0.db.worker()).await?;
        if let Some(answer) = once.claim(&transaction, now).await? {
            transaction.rollback().await?;
            return Ok(answer);
        }
        let id: TenantId = platform.entropy.id(now);
        let row = TenantRow {
            id: id.uuid(),
            name: new.name,
            kind: new.kind.as_str().to_owned(),
            plan: new.plan,
            state: TenantState::Applied.as_str().to_owned(),
            revision: 1,
            created_at: now.utc(),
            particulars: None,
        };
        let entry = Entry::of_tenant(id, Actor::Operator(by), "tenant.created", now)
            .with("name", &row.name)
            .with("kind", &row.kind)
            .with("plan", &row.plan);
        store::insert_tenant(&transaction, row.clone()).await?;
        let fact = self.changed(&row, TenantState::Applied);
        Outbox::append(&transaction, [fact]).await?;
        let answer = Answer::json(201, &TenantView::of(row, Vec::new())?);
        once.keep(&transaction, &answer).await?;
        self.record(&transaction, vec![entry]).await?;
        transaction.commit().await?;
        self.0.relay.wake();
        Ok(answer)
    }

    /// Records an item of the checklist; a later record of it replaces the earlier one, which the audit trail keeps.
    pub(crate) async fn record_item(
        &self,
        by: Id<Client>,
        tenant: TenantId,
        new: NewItem,
    ) -> Result<TenantView, Error> {
        let now = self.0.platform.clock().now();
        let transaction = begin_write(self.0.db.worker()).await?;
        // Whoever decides on the tenant's state at this moment has the checklist before or after this, whole.
        let row = store::tenant_to_change(&transaction, tenant).await?;
        let item = ChecklistRow {
            tenant: tenant.uuid(),
            item: new.item.as_str().to_owned(),
            evidence: new.evidence,
            dated: new.date.unwrap_or_else(|| today(now)).to_string(),
            recorded_at: now.utc(),
            recorded_by: by.uuid(),
        };
        let entry = Entry::of_tenant(tenant, Actor::Operator(by), "checklist.recorded", now)
            .with("item", &item.item)
            .with("evidence", &item.evidence)
            .with("date", &item.dated);
        store::record_item(&transaction, item).await?;
        let checklist = store::checklist(&transaction, tenant).await?;
        self.record(&transaction, vec![entry]).await?;
        transaction.commit().await?;
        TenantView::of(row, checklist)
    }

    /// Puts a tenant's particulars in the place of those before.
    pub(crate) async fn set_particulars(
        &self,
        by: Id<Client>,
        tenant: TenantId,
        particulars: &Particulars,
    ) -> Result<TenantView, Problem> {
        let now = self.0.platform.clock().now();
        let transaction = begin_write(self.0.db.worker()).await?;
        let mut row = store::tenant_to_change(&transaction, tenant).await?;
        particulars.check(kind_of(&row)?)?;
        if row.state == TenantState::Closed.as_str() {
            return Err(Error::Closed.into());
        }
        let text = particulars.to_text();
        let entry = Entry::of_tenant(tenant, Actor::Operator(by), "particulars.recorded", now)
            .with("members", particulars.members.len())
            // What they were can be shown from the page that was filed; the trail proves which it was.
            .with("sha256", hex::encode(crate::credential::digest(&text)));
        store::set_particulars(&transaction, tenant, &text).await?;
        row.particulars = Some(text);
        let checklist = store::checklist(&transaction, tenant).await?;
        self.record(&transaction, vec![entry]).await?;
        transaction.commit().await?;
        Ok(TenantView::of(row, checklist)?)
    }

    /// Takes a tenant to the next state of its life. Repeating a step that is done changes nothing.
    pub(crate) async fn advance(
        &self,
        by: Id<Client>,
        tenant: TenantId,
        to: TenantState,
        reason: Option<&str>,
    ) -> Result<TenantView, Error> {
        let now = self.0.platform.clock().now();
        let transaction = begin_write(self.0.db.worker()).await?;
        let mut row = store::tenant_to_change(&transaction, tenant).await?;
        let checklist = store::checklist(&transaction, tenant).await?;
        let from = TenantState::from_word(&row.state).ok_or(Error::Damaged("tenant.state"))?;
        if from == to {
            transaction.rollback().await?;
            return TenantView::of(row, checklist);
        }
        let members = members_stand(&row)?;
        step(from, to, &store::items(&checklist), members)?;
        row.revision += 1;
        to.as_str().clone_into(&mut row.state);
        store::set_state(&transaction, tenant, to, row.revision).await?;
        let by = Actor::Operator(by);
        let act = format!("tenant.{}", to.as_str());
        let entry = Entry::of_tenant(tenant, by, &act, now).with("from", from.as_str());
        let mut entries = vec![entry.with_some("reason", reason)];
        let mut facts = vec![self.changed(&row, to)];
        facts.extend(self.turned(&row, from, to));
        if to == TenantState::Closed {
            for client in store::clients::revoke_all(&transaction, tenant, now).await? {
                let id = Id::from_uuid(client.id);
                facts.push(self.revoked(id, Some(tenant)));
                let chain = store::clients::chain(&client);
                let entry = Entry::new(chain, by, "credential.revoked", now).about(id);
                entries.push(entry.with("reason", "tenant.closed"));
            }
        }
        Outbox::append(&transaction, facts).await?;
        self.record(&transaction, entries).await?;
        transaction.commit().await?;
        self.0.relay.wake();
        self.tell_denials();
        TenantView::of(row, checklist)
    }

    fn changed(&self, row: &TenantRow, state: TenantState) -> Envelope {
        let platform = &self.0.platform;
        let now = platform.clock().now();
        let tenant = TenantId::from_uuid(row.id);
        let fact = TenantChanged {
            tenant,
            name: row.name.clone(),
            plan: row.plan.clone(),
            state,
            revision: row.revision,
        };
        Envelope::of(
            platform.entropy.id(now),
            None,
            now,
            tenant.to_string(),
            &fact,
        )
    }

    /// The fact that those want to hear who care for one turn in a tenant's life alone.
    fn turned(&self, row: &TenantRow, from: TenantState, to: TenantState) -> Option<Envelope> {
        let platform = &self.0.platform;
        let now = platform.clock().now();
        let (tenant, revision) = (TenantId::from_uuid(row.id), row.revision);
        let (id, aggregate) = (platform.entropy.id(now), tenant.to_string());
        Some(match (from, to) {
            (_, TenantState::Suspended) => {
                let fact = TenantSuspended { tenant, revision };
                Envelope::of(id, None, now, aggregate, &fact)
            }
            (TenantState::Suspended, TenantState::Active) => {
                let fact = TenantResumed { tenant, revision };
                Envelope::of(id, None, now, aggregate, &fact)
            }
            (_, TenantState::Closed) => {
                let fact = TenantClosed { tenant, revision };
                Envelope::of(id, None, now, aggregate, &fact)
            }
            _ => return None,
        })
    }
}

pub(crate) fn kind_of(row: &TenantRow) -> Result<TenantKind, Error> {
    TenantKind::from_word(&row.kind).ok_or(Error::Damaged("tenant.kind"))
}

/// An association verifies for its members (法17条5項): without one there is nobody to verify for.
fn members_stand(row: &TenantRow) -> Result<bool, Error> {
    let needed = kind_of(row)? == TenantKind::Association;
    let particulars = Particulars::of_row(row)?;
    Ok(!needed || particulars.is_some_and(|particulars| !particulars.members.is_empty()))
}

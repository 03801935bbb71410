//! Ordering, starting and giving up a campaign.

use serde::Deserialize;
use utoipa::ToSchema;
use warikan_http::{Answer, Idempotency};
use warikan_messaging::Hold;
use warikan_runtime::TenantAct;
use warikan_types::{Campaign, Client, Id, Span, TenantScope};

use super::{CampaignView, OPEN_CAMPAIGNS, SelectorKind, State, portfolio::Row};
use crate::{Revocation, entity::campaign, error::Error, store::campaigns};

/// A campaign to order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCampaign {
    /// Which certificates.
    pub(crate) selector: Selector,
    /// How old a list may be that says good (ISO 8601, `PT24H`); its own nextUpdate otherwise.
    #[schema(value_type = Option<String>)]
    pub(crate) max_age: Option<Span>,
}

/// `"all"`, `"upload"`, or `{"refs": [..]}`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(as = CampaignSelector)]
pub(crate) enum Selector {
    // Their descriptions stand at the types: beside a `$ref` inside `oneOf`, openapi-generator loses the import of the type.
    Word(SelectorWord),
    Named(Named),
}

/// Everything, or what will be uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SelectorWord {
    /// Everything that is under watch when the campaign is ordered.
    All,
    /// The portfolio that `POST /v1/campaigns/{id}/portfolio` takes; `POST /v1/campaigns/{id}/start` starts it.
    Upload,
}

/// Customers by their numbers.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CampaignRefs)]
pub(crate) struct Named {
    /// Your customer numbers, 1 to 5,000; each under watch.
    #[schema(min_items = 1, max_items = 5000)]
    pub(crate) refs: Vec<String>,
}

impl Revocation {
    /// Orders a campaign: 201. One over an upload waits to be started, the others run at once.
    pub(crate) async fn create_campaign(
        &self,
        scope: TenantScope,
        by: Id<Client>,
        order: NewCampaign,
        once: Idempotency,
    ) -> Result<Answer, Error> {
        let now = self.0.platform.clock().now();
        self.key_references().await?;
        let sealer = self.0.data_keys.sealer(scope).await?;
        let txn = self.0.db.begin_write(scope).await?;
        if let Some(answer) = once.claim(&txn, now).await? {
            txn.rollback().await?;
            return Ok(answer);
        }
        let name = format!("campaigns/{}", scope.tenant());
        warikan_messaging::hold(&txn, &name, Hold::Exclusive).await?;
        if campaigns::open(scope, &txn).await? >= OPEN_CAMPAIGNS {
            return Err(Error::TooManyCampaigns);
        }
        let id: Id<Campaign> = self.0.platform.entropy.id(now);
        let (kind, refs) = match order.selector {
            Selector::Word(SelectorWord::All) => (SelectorKind::All, None),
            Selector::Word(SelectorWord::Upload) => (SelectorKind::Upload, None),
            Selector::Named(named) => (SelectorKind::Refs, Some(named.refs)),
        };
        let mut row = new_row(scope, id, kind, order.max_age, now);
        if let Some(refs) = refs {
            let rows = (0..).zip(refs).map(Row::of_reference).collect();
            let into = (id, &sealer);
            let taken = self.take_rows(scope, &txn, into, rows).await?;
            if !taken.problems.is_empty() {
                return Err(Error::UnknownRefs(taken.problems));
            }
            row.total = i64::try_from(taken.added).unwrap_or(i64::MAX);
        }
        campaigns::insert(&txn, row.clone()).await?;
        let answer = Answer::json(201, &CampaignView::of(&row)?);
        once.keep(&txn, &answer).await?;
        let act = TenantAct::new(by, scope, "campaign.ordered").about(id);
        act.with("selector", kind.as_str())
            .tell(&txn, &self.0.platform)
            .await?;
        txn.commit().await?;
        self.0.relay.wake();
        self.0.campaigns.notify_one();
        Ok(answer)
    }

    /// Starts a campaign whose portfolio is there. Starting again changes nothing.
    pub(crate) async fn start_campaign(
        &self,
        scope: TenantScope,
        by: Id<Client>,
        id: Id<Campaign>,
    ) -> Result<CampaignView, Error> {
        let now = self.0.platform.clock().now();
        let txn = self.0.db.begin_write(scope).await?;
        let mut row = campaigns::find_to_change(scope, &txn, id)
            .await?
            .ok_or(Error::NotFound)?;
        match State::of(&row)? {
            State::Collecting => {
                row.state = State::Running.as_str().to_owned();
                row.started_at = Some(now.utc());
                row.served_at = now.utc();
                campaigns::update(&txn, row.clone()).await?;
                let act = TenantAct::new(by, scope, "campaign.started").about(id);
                act.tell(&txn, &self.0.platform).await?;
            }
            State::Running | State::Completed => {}
            State::Cancelled => return Err(Error::CampaignState(State::Cancelled)),
        }
        txn.commit().await?;
        self.0.relay.wake();
        self.0.campaigns.notify_one();
        CampaignView::of(&row)
    }

    /// Gives a campaign up; one that is completed stays.
    pub(crate) async fn cancel_campaign(
        &self,
        scope: TenantScope,
        by: Id<Client>,
        id: Id<Campaign>,
    ) -> Result<(), Error> {
        let txn = self.0.db.begin_write(scope).await?;
        let mut row = campaigns::find_to_change(scope, &txn, id)
            .await?
            .ok_or(Error::NotFound)?;
        match State::of(&row)? {
            State::Collecting | State::Running => {
                row.state = State::Cancelled.as_str().to_owned();
                campaigns::update(&txn, row).await?;
                let act = TenantAct::new(by, scope, "campaign.cancelled").about(id);
                act.tell(&txn, &self.0.platform).await?;
            }
            State::Cancelled => {}
            State::Completed => return Err(Error::CampaignState(State::Completed)),
        }
        txn.commit().await?;
        self.0.relay.wake();
        self.0.campaigns.notify_one();
        Ok(())
    }
}

fn new_row(
    scope: TenantScope,
    id: Id<Campaign>,
    kind: SelectorKind,
    max_age: Option<Span>,
    now: warikan_types::Timestamp,
) -> campaign::Model {
    let waits = kind == SelectorKind::Upload;
    let state = if waits {
        State::Collecting
    } else {
        State::Running
    };
    let seconds = |age: Span| i64::try_from(age.duration().as_secs()).unwrap_or(i64::MAX);
    campaign::Model {
        id: id.uuid(),
        tenant: scope.tenant().uuid(),
        environment: scope.environment().as_str().to_owned(),
        selector: kind.as_str().to_owned(),
        max_age_seconds: max_age.map(seconds),
        state: state.as_str().to_owned(),
        created_at: now.utc(),
        started_at: (!waits).then(|| now.utc()),
        judged_at: None,
        status_version: None,
        lists: 0,
        oldest_this_update: None,
        total: 0,
        checked: 0,
        good: 0,
        revoked: 0,
        expired: 0,
        unknown: 0,
        cursor: None,
        restarts: 0,
        root: None,
        receipt: None,
        completed_at: None,
        lease: None,
        leased_until: None,
        served_at: now.utc(),
    }
}

//! Making, changing, rotating and removing endpoints.

use std::time::Duration;

use warikan_http::{Answer, Idempotency};
use warikan_messaging::{Hold, hold};
use warikan_runtime::TenantAct;
use warikan_types::{Client, Endpoint, Id, TenantScope};

use crate::{
    Webhooks,
    endpoint::{self, CreatedEndpoint, EndpointChange, EndpointView, NewEndpoint},
    entity::endpoint as row,
    error::WebhooksError,
    ids::EndpointId,
    signature::SigningSecret,
    store::endpoints,
};

impl Webhooks {
    pub(crate) async fn create_endpoint(
        &self,
        scope: TenantScope,
        by: Id<Client>,
        new: &NewEndpoint,
        once: &Idempotency,
    ) -> Result<Answer, WebhooksError> {
        let platform = &self.0.platform;
        let now = self.now();
        // A repeated request gets its first answer even where the URL would be refused by now.
        if let Some(answer) = self.answered_before(scope, once).await? {
            return Ok(answer);
        }
        // Names are looked up outside of a transaction: nothing waits for a network while it holds one.
        self.0.egress.admits(scope.environment(), &new.url)?;
        let url = self.0.egress.accept(&new.url).await?;
        let sealer = self.0.data_keys.sealer(scope).await?;
        let secret = SigningSecret::generate(&platform.entropy);
        let mut made = row::Model {
            id: platform.entropy.id::<Endpoint>(now).uuid(),
            tenant: scope.tenant().uuid(),
            environment: scope.environment().as_str().to_owned(),
            url,
            types: endpoint::filter_text(&new.types),
            enabled: true,
            disabled_cause: None,
            disabled_at: None,
            failing_since: None,
            last_failed_at: None,
            secret: Vec::new(),
            previous_secret: None,
            previous_until: None,
            public_key: secret.public_key(),
            previous_public_key: None,
            throttled_until: None,
            throttle_step: 0,
            created_at: now.utc(),
        };
        made.secret = endpoint::seal(&made, &sealer, &secret);
        let view = CreatedEndpoint {
            endpoint: EndpointView::of(&made, now),
            secret: secret.text(),
        };

        let txn = self.0.db.begin_write(scope).await?;
        if let Some(answer) = once.claim(&txn, now).await? {
            txn.rollback().await?;
            return Ok(answer);
        }
        // Two at once must not both find the last place free.
        hold(
            &txn,
            &format!("endpoints/{}", scope.tenant()),
            Hold::Exclusive,
        )
        .await?;
        let limit = self.0.config.endpoints_per_tenant;
        if endpoints::count(scope, &txn).await? >= limit {
            return Err(WebhooksError::TooManyEndpoints(limit));
        }
        endpoints::insert(&txn, made).await?;
        let answer = Answer::json(201, &view);
        once.keep(&txn, &answer).await?;
        let act = TenantAct::new(by, scope, "endpoint.created").about(view.endpoint.id);
        act.with("host", host(&view.endpoint.url))
            .tell(&txn, platform)
            .await?;
        txn.commit().await?;
        self.0.relay.wake();
        Ok(answer)
    }

    /// The answer this key got before, if any. Claims nothing: the transaction is given up.
    async fn answered_before(
        &self,
        scope: TenantScope,
        once: &Idempotency,
    ) -> Result<Option<Answer>, WebhooksError> {
        let txn = self.0.db.begin_write(scope).await?;
        let answer = once.claim(&txn, self.now()).await?;
        txn.rollback().await?;
        Ok(answer)
    }

    pub(crate) async fn change_endpoint(
        &self,
        scope: TenantScope,
        by: Id<Client>,
        id: EndpointId,
        change: &EndpointChange,
    ) -> Result<EndpointView, WebhooksError> {
        let url = match &change.url {
            None => None,
            // Whether the endpoint is the caller's comes first: a stranger learns nothing about URLs either.
            Some(url) => {
                self.endpoint(scope, id).await?;
                self.0.egress.admits(scope.environment(), url)?;
                Some(self.0.egress.accept(url).await?)
            }
        };
        let now = self.now();
        let txn = self.0.db.begin_write(scope).await?;
        let mut row = endpoints::find_to_change(scope, &txn, id)
            .await?
            .ok_or(WebhooksError::NotFound)?;
        if let Some(url) = url {
            row.url = url;
            // What the old place asked for does not bind the new one.
            row.throttled_until = None;
            row.throttle_step = 0;
        }
        if let Some(types) = &change.types {
            row.types = endpoint::filter_text(types);
        }
        match change.enabled {
            Some(true) => {
                row.enabled = true;
                row.disabled_cause = None;
                row.disabled_at = None;
                row.failing_since = None;
                row.last_failed_at = None;
                row.throttled_until = None;
                row.throttle_step = 0;
            }
            Some(false) if row.enabled => {
                row.enabled = false;
                row.disabled_cause = Some("paused".to_owned());
                row.disabled_at = Some(now.utc());
            }
            Some(false) | None => {}
        }
        endpoints::update(&txn, row.clone()).await?;
        Self::changed_act(scope, by, id, change)
            .tell(&txn, &self.0.platform)
            .await?;
        txn.commit().await?;
        self.0.relay.wake();
        self.0.due.notify_one();
        Ok(EndpointView::of(&row, now))
    }

    /// A new secret signs from now on, the one before along with it for the overlap. The one before that is forgotten.
    pub(crate) async fn rotate_secret(
        &self,
        scope: TenantScope,
        by: Id<Client>,
        id: EndpointId,
        once: &Idempotency,
    ) -> Result<Answer, WebhooksError> {
        let now = self.now();
        let platform = &self.0.platform;
        let sealer = self.0.data_keys.sealer(scope).await?;
        let txn = self.0.db.begin_write(scope).await?;
        let mut row = endpoints::find_to_change(scope, &txn, id)
            .await?
            .ok_or(WebhooksError::NotFound)?;
        if let Some(answer) = once.claim(&txn, now).await? {
            txn.rollback().await?;
            return Ok(answer);
        }
        let secret = SigningSecret::generate(&platform.entropy);
        let sealed = endpoint::seal(&row, &sealer, &secret);
        row.previous_secret = Some(std::mem::replace(&mut row.secret, sealed));
        row.previous_public_key = std::mem::replace(&mut row.public_key, secret.public_key());
        let overlap = Duration::from_secs(self.0.config.secret_overlap_seconds);
        row.previous_until = Some(now.plus(overlap).utc());
        endpoints::update(&txn, row.clone()).await?;
        let answer = Answer::json(
            200,
            &CreatedEndpoint {
                endpoint: EndpointView::of(&row, now),
                secret: secret.text(),
            },
        );
        once.keep(&txn, &answer).await?;
        let act = TenantAct::new(by, scope, "endpoint.secret_rotated").about(id);
        act.tell(&txn, platform).await?;
        txn.commit().await?;
        self.0.relay.wake();
        Ok(answer)
    }

    /// What was changed, and to which host it goes from now on.
    fn changed_act(
        scope: TenantScope,
        by: Id<Client>,
        id: EndpointId,
        change: &EndpointChange,
    ) -> TenantAct {
        let mut act = TenantAct::new(by, scope, "endpoint.changed").about(id);
        if let Some(url) = &change.url {
            act = act.with("host", host(url));
        }
        if let Some(types) = &change.types {
            act = act.with("types", endpoint::filter_text(types));
        }
        match change.enabled {
            Some(enabled) => act.with("enabled", enabled),
            None => act,
        }
    }

    pub(crate) async fn delete_endpoint(
        &self,
        scope: TenantScope,
        by: Id<Client>,
        id: EndpointId,
    ) -> Result<(), WebhooksError> {
        let txn = self.0.db.begin_write(scope).await?;
        if !endpoints::delete(scope, &txn, id).await? {
            return Err(WebhooksError::NotFound);
        }
        let act = TenantAct::new(by, scope, "endpoint.deleted").about(id);
        act.tell(&txn, &self.0.platform).await?;
        txn.commit().await?;
        self.0.relay.wake();
        Ok(())
    }

    pub(crate) async fn endpoint(
        &self,
        scope: TenantScope,
        id: EndpointId,
    ) -> Result<row::Model, WebhooksError> {
        let db = self.0.db.begin_read(scope).await?;
        endpoints::find(scope, &db, id)
            .await?
            .ok_or(WebhooksError::NotFound)
    }
}

/// Of a URL the trail keeps the host: path and query may hold the tenant's secrets.
fn host(url: &str) -> String {
    let parsed = reqwest::Url::parse(url).ok();
    let host = parsed.and_then(|url| url.host_str().map(str::to_owned));
    host.unwrap_or_default()
}

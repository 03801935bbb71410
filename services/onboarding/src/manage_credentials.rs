//! Making, changing, rotating and revoking credentials: a tenant's by the operator or by the tenant itself.

use chrono::Duration;
use warikan_contracts::{
    Envelope,
    facts::{CredentialRevoked, TenantState},
};
use warikan_http::{Answer, Idempotency, Problem};
use warikan_messaging::{Outbox, begin_write};
use warikan_types::{Client, Environment, Id, Principal, TenantId, TenantScope, Timestamp};

use crate::{
    Onboarding,
    audit::{Actor, Entry},
    credential,
    credential_shapes::{
        CreatedCredential, CredentialSettings, CredentialView, NewCredential, Rotation,
        tenant_scopes,
    },
    error::Error,
    store::{
        self,
        clients::{self, ClientRow, Holder},
    },
};

/// Credentials that a tenant may have at a time, over both environments. They are listed on one page.
const MOST: u64 = 100;
/// The longest time for which two secrets are good, in seconds.
const LONGEST_OVERLAP: u32 = 604_800;

impl Onboarding {
    fn now(&self) -> Timestamp {
        self.0.platform.clock().now()
    }

    /// Makes a credential for a tenant.
    pub(crate) async fn create_credential(
        &self,
        by: Actor,
        tenant: TenantId,
        new: &NewCredential,
        once: &Idempotency,
    ) -> Result<Answer, Problem> {
        let platform = &self.0.platform;
        let now = self.now();
        let scopes = tenant_scopes(new.scopes.as_deref())?;
        let principal = Principal {
            client: platform.entropy.id(now),
            tenant: Some(TenantScope::of_event(tenant, new.environment)),
            scopes: scopes.into_iter().collect(),
        };
        let mut row = clients::row(&principal, now);
        new.settings().put(&mut row, now)?;
        let secret = (new.secret.unwrap_or(row.public_keys.is_none()))
            .then(|| credential::new_secret(&platform.entropy));
        if let Some(secret) = &secret {
            row.secret_digest = credential::digest(secret.expose());
        } else if row.public_keys.is_none() {
            return Err(Problem::field(
                "/secret",
                "invalid_value",
                "without a secret there have to be public_keys",
            ));
        }
        let transaction = begin_write(self.0.db.worker()).await?;
        if let Some(answer) = once.claim(&transaction, now).await.map_err(Error::from)? {
            transaction.rollback().await?;
            return Ok(answer);
        }
        let holder = store::tenant_to_change(&transaction, tenant).await?;
        let state = TenantState::from_word(&holder.state).ok_or(Error::Damaged("tenant.state"))?;
        let allowed = match new.environment {
            Environment::Sandbox => state != TenantState::Closed,
            Environment::Production => state == TenantState::Active,
        };
        if !allowed {
            return Err(Error::NotActive(state.as_str()).into());
        }
        if clients::count_open(&transaction, Holder::Tenant(tenant, None)).await? >= MOST {
            return Err(Error::TooMany(MOST).into());
        }
        let credential = CredentialView::of(&row, now)?;
        let entry = entry(by, &row, "credential.created", now);
        let entry = entry
            .with("scopes", &row.scopes)
            .with_some("name", row.name.as_ref());
        clients::insert(&transaction, row).await?;
        let answer = Answer::json(
            201,
            &CreatedCredential {
                client_secret: secret.map(|secret| secret.expose().clone()),
                credential,
            },
        );
        once.keep(&transaction, &answer).await?;
        self.record(&transaction, vec![entry]).await?;
        transaction.commit().await?;
        Ok(answer)
    }

    /// Changes what can be changed of a credential.
    pub(crate) async fn change_credential(
        &self,
        by: Actor,
        holder: Holder,
        client: Id<Client>,
        settings: &CredentialSettings,
    ) -> Result<CredentialView, Problem> {
        let now = self.now();
        let transaction = begin_write(self.0.db.worker()).await?;
        let mut row = clients::to_change(&transaction, holder, client).await?;
        still_there(&row)?;
        settings.put(&mut row, now)?;
        let view = CredentialView::of(&row, now)?;
        let entry = changed(entry(by, &row, "credential.changed", now), settings);
        clients::update(&transaction, row).await?;
        self.record(&transaction, vec![entry]).await?;
        transaction.commit().await?;
        Ok(view)
    }

    /// Gives a credential a new secret; the one before stays good for a while.
    pub(crate) async fn rotate_credential(
        &self,
        by: Actor,
        holder: Holder,
        client: Id<Client>,
        rotation: &Rotation,
        once: &Idempotency,
    ) -> Result<Answer, Problem> {
        let now = self.now();
        if rotation.overlap_seconds > LONGEST_OVERLAP {
            return Err(Problem::field(
                "/overlap_seconds",
                "invalid_value",
                format!("0 to {LONGEST_OVERLAP}"),
            ));
        }
        let transaction = begin_write(self.0.db.worker()).await?;
        if let Some(answer) = once.claim(&transaction, now).await.map_err(Error::from)? {
            transaction.rollback().await?;
            return Ok(answer);
        }
        let mut row = clients::to_change(&transaction, holder, client).await?;
        still_there(&row)?;
        let secret = credential::new_secret(&self.0.platform.entropy);
        let before = std::mem::replace(&mut row.secret_digest, credential::digest(secret.expose()));
        // A second rotation within the overlap ends the first secret: two are good at a time, not more.
        row.previous_digest = Some(before).filter(|digest| !digest.is_empty());
        row.previous_until = row
            .previous_digest
            .as_ref()
            .map(|_| now.utc() + Duration::seconds(i64::from(rotation.overlap_seconds)));
        let credential = CredentialView::of(&row, now)?;
        let entry = entry(by, &row, "credential.rotated", now)
            .with("overlap_seconds", rotation.overlap_seconds);
        clients::update(&transaction, row).await?;
        let answer = Answer::json(
            200,
            &CreatedCredential {
                client_secret: Some(secret.expose().clone()),
                credential,
            },
        );
        once.keep(&transaction, &answer).await?;
        self.record(&transaction, vec![entry]).await?;
        transaction.commit().await?;
        Ok(answer)
    }

    /// Ends a credential. Ending it again changes nothing.
    pub(crate) async fn revoke_credential(
        &self,
        by: Actor,
        holder: Holder,
        client: Id<Client>,
    ) -> Result<(), Error> {
        let now = self.now();
        let transaction = begin_write(self.0.db.worker()).await?;
        let mut row = clients::to_change(&transaction, holder, client).await?;
        if row.revoked_at.is_some() {
            transaction.rollback().await?;
            return Ok(());
        }
        row.revoked_at = Some(now.utc());
        let tenant = row.tenant.map(TenantId::from_uuid);
        let entry = entry(by, &row, "credential.revoked", now);
        clients::update(&transaction, row).await?;
        Outbox::append(&transaction, [self.revoked(client, tenant)]).await?;
        self.record(&transaction, vec![entry]).await?;
        transaction.commit().await?;
        self.0.relay.wake();
        self.tell_denials();
        Ok(())
    }

    /// The fact that a credential is over.
    pub(crate) fn revoked(&self, client: Id<Client>, tenant: Option<TenantId>) -> Envelope {
        let now = self.now();
        let fact = CredentialRevoked { client, tenant };
        let id = self.0.platform.entropy.id(now);
        Envelope::of(id, None, now, client.to_string(), &fact)
    }

    /// The holder's credentials, without their secrets.
    pub(crate) async fn credentials(&self, holder: Holder) -> Result<Vec<CredentialView>, Error> {
        let now = self.now();
        let rows = clients::of(self.0.db.worker(), holder).await?;
        rows.iter()
            .map(|row| CredentialView::of(row, now))
            .collect()
    }
}

fn entry(by: Actor, row: &ClientRow, act: &str, now: Timestamp) -> Entry {
    let client: Id<Client> = Id::from_uuid(row.id);
    Entry::new(clients::chain(row), by, act, now).about(client)
}

/// Which settings were given, without what they are set to where that is long.
pub(crate) fn changed(entry: Entry, settings: &CredentialSettings) -> Entry {
    let networks = settings.networks.as_ref().map(|all| {
        let words: Vec<String> = all.iter().map(|net| net.trunc().to_string()).collect();
        words.join(" ")
    });
    let keys = settings.public_keys.as_ref().map(|keys| keys.keys.len());
    entry
        .with_some("name", settings.name.as_ref())
        .with_some("expires_at", settings.expires_at)
        .with_some("networks", networks)
        .with_some("public_keys", keys)
}

/// What is revoked stays as it is.
fn still_there(row: &ClientRow) -> Result<(), Error> {
    if row.revoked_at.is_none() {
        Ok(())
    } else {
        Err(Error::Revoked)
    }
}

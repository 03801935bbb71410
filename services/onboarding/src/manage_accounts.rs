//! The operator's own accounts: made by an account that may do everything, never by a tenant, and named by the audit trail in all they do.
//!
//! An account is a credential of nobody's but the operator's: a person's, or a program's. What it may do is fixed when it is made; who is to do
//! something else gets another. One that may do everything always stays, or nobody could make the next.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_http::{Answer, Idempotency, Problem};
use warikan_messaging::{Hold, Outbox, begin_write, hold};
use warikan_types::{Client, ClientScope, Id, Principal, Timestamp};

use crate::{
    Onboarding,
    audit::{Actor, Chain, Entry},
    credential,
    credential_shapes::{CredentialSettings, CredentialView},
    error::Error,
    store::clients::{self, ClientRow, Holder},
};

/// Whoever decides whether an account may go holds this name: two at once could disable each other.
pub(crate) const ACCOUNTS: &str = "operator_accounts";
/// Accounts of the operator, disabled ones too. They are listed on one page.
const MOST: u64 = 500;

/// What an account may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AccountRole {
    /// Everything of the operator's.
    Admin,
    /// Read everything of the operator's, and change nothing.
    Auditor,
}

impl AccountRole {
    const fn scope(self) -> ClientScope {
        match self {
            Self::Admin => ClientScope::Operator,
            Self::Auditor => ClientScope::OperatorRead,
        }
    }

    fn of(row: &ClientRow) -> Result<Self, Error> {
        [Self::Admin, Self::Auditor]
            .into_iter()
            .find(|role| role.scope().as_str() == row.scopes)
            .ok_or(Error::Damaged("client.scopes"))
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Auditor => "auditor",
        }
    }
}

/// An account of the operator's.
#[derive(Serialize, ToSchema)]
pub(crate) struct AccountView {
    role: AccountRole,
    /// Since when it is refused.
    disabled_at: Option<Timestamp>,
    #[serde(flatten)]
    credential: CredentialView,
}

/// An account, with its secret for the only time.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedAccount {
    /// Shown once; only its hash is kept. Absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    #[serde(flatten)]
    account: AccountView,
}

impl AccountView {
    fn of(row: &ClientRow, now: Timestamp) -> Result<Self, Error> {
        Ok(Self {
            role: AccountRole::of(row)?,
            disabled_at: row.revoked_at.map(Into::into),
            credential: CredentialView::of(row, now)?,
        })
    }
}

/// A new account, as it is asked for.
pub(crate) struct NewAccount {
    pub(crate) role: AccountRole,
    /// `None`: there is one where there are no public keys.
    pub(crate) secret: Option<bool>,
    pub(crate) settings: CredentialSettings,
}

impl Onboarding {
    pub(crate) async fn create_account(
        &self,
        by: Id<Client>,
        new: &NewAccount,
        once: &Idempotency,
    ) -> Result<Answer, Problem> {
        let platform = &self.0.platform;
        let now = platform.clock().now();
        let principal = Principal {
            client: platform.entropy.id(now),
            tenant: None,
            scopes: [new.role.scope()].into(),
        };
        let mut row = clients::row(&principal, now);
        new.settings.put(&mut row, now)?;
        let wanted = new.secret.unwrap_or(row.public_keys.is_none());
        let secret = wanted.then(|| credential::new_secret(&platform.entropy));
        if let Some(secret) = &secret {
            row.secret_digest = credential::digest(secret.expose());
        } else if row.public_keys.is_none() {
            let why = "without a secret there have to be public_keys";
            return Err(Problem::field("/secret", "invalid_value", why));
        }
        let transaction = begin_write(self.0.db.worker()).await?;
        if let Some(answer) = once.claim(&transaction, now).await.map_err(Error::from)? {
            transaction.rollback().await?;
            return Ok(answer);
        }
        hold(&transaction, ACCOUNTS, Hold::Exclusive).await?;
        if clients::count_all(&transaction, Holder::Operator).await? >= MOST {
            return Err(Error::TooMany(MOST).into());
        }
        let entry = entry(by, principal.client, "account.created", now)
            .with("role", new.role.as_str())
            .with_some("name", row.name.as_ref());
        let account = AccountView::of(&row, now)?;
        clients::insert(&transaction, row).await?;
        let answer = Answer::json(
            201,
            &CreatedAccount {
                client_secret: secret.map(|secret| secret.expose().clone()),
                account,
            },
        );
        once.keep(&transaction, &answer).await?;
        self.record(&transaction, vec![entry]).await?;
        transaction.commit().await?;
        Ok(answer)
    }

    /// Changes an account's settings, and whether it is disabled.
    pub(crate) async fn change_account(
        &self,
        by: Id<Client>,
        account: Id<Client>,
        settings: &CredentialSettings,
        disabled: Option<bool>,
    ) -> Result<AccountView, Problem> {
        let now = self.0.platform.clock().now();
        let transaction = begin_write(self.0.db.worker()).await?;
        hold(&transaction, ACCOUNTS, Hold::Exclusive).await?;
        let mut row = clients::to_change(&transaction, Holder::Operator, account).await?;
        settings.put(&mut row, now)?;
        let before = row.revoked_at;
        match disabled {
            Some(true) => row.revoked_at = before.or(Some(now.utc())),
            Some(false) => row.revoked_at = None,
            None => {}
        }
        let stays = row.revoked_at.is_none() && row.expires_at.is_none();
        if AccountRole::of(&row)? == AccountRole::Admin
            && !stays
            && clients::count_other_admins(&transaction, account).await? == 0
        {
            return Err(Error::LastAdmin.into());
        }
        let act = match (before, row.revoked_at) {
            (None, Some(_)) => "account.disabled",
            (Some(_), None) => "account.enabled",
            _ => "account.changed",
        };
        let entry = crate::manage_credentials::changed(entry(by, account, act, now), settings);
        let turned = before.is_some() != row.revoked_at.is_some();
        let view = AccountView::of(&row, now)?;
        if turned && row.revoked_at.is_some() {
            Outbox::append(&transaction, [self.revoked(account, None)]).await?;
        }
        clients::update(&transaction, row).await?;
        self.record(&transaction, vec![entry]).await?;
        transaction.commit().await?;
        if turned {
            self.0.relay.wake();
            self.tell_denials();
        }
        Ok(view)
    }

    pub(crate) async fn accounts(&self) -> Result<Vec<AccountView>, Error> {
        let now = self.0.platform.clock().now();
        let rows = clients::of(self.0.db.worker(), Holder::Operator).await?;
        rows.iter().map(|row| AccountView::of(row, now)).collect()
    }
}

fn entry(by: Id<Client>, account: Id<Client>, act: &str, now: Timestamp) -> Entry {
    Entry::new(Chain::Operator, Actor::Operator(by), act, now).about(account)
}

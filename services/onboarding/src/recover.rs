//! When nobody has the secret of an account that may do everything any more: whoever has the database and the keys makes another.
//!
//! The accounts whose secrets are lost are disabled in the same transaction: a secret that nobody has may be in the hands of somebody. What they
//! could do, the new one can; which networks and keys they had, it does not take over.

use sea_orm::{DatabaseConnection, DbErr};
use warikan_contracts::{Envelope, facts::CredentialRevoked};
use warikan_messaging::{Hold, Outbox, begin_write, hold};
use warikan_runtime::Platform;
use warikan_types::{Client, ClientScope, Id, Principal, Secret};

use crate::{
    audit::{self, Actor, Chain, Entry},
    credential,
    error::Error,
    manage_accounts::ACCOUNTS,
    store::clients::{self, ClientRow, Holder},
};

/// Which accounts' secrets are lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// That of the only account that may do everything.
    TheOnly,
    /// That of one of several.
    Account(Id<Client>),
    /// All of them.
    All,
}

/// What was made instead.
pub struct Recovered {
    /// The new account.
    pub client: Id<Client>,
    /// Its secret; nowhere else.
    pub secret: Secret<String>,
    /// Which accounts it takes the place of. They are disabled.
    pub replaces: Vec<Id<Client>>,
}

/// Why nothing was made.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The database cannot be used.
    #[error("the database of onboarding cannot be used: {0}")]
    Database(#[from] DbErr),
    /// It must be said which.
    #[error(
        "{0} accounts may do everything ({1}); name the lost one with --account, or disable them all with --all"
    )]
    Several(usize, String),
    /// Not an account that could be lost.
    #[error(
        "{0} is no account of the operator's that may do everything; GET /v1/operator/accounts lists them, and --all needs no name"
    )]
    NoSuchAccount(Id<Client>),
    /// The trail cannot be written; nothing was changed.
    #[error("the audit trail cannot be written: {0}")]
    Trail(String),
}

/// Makes an account that may do everything in the place of one whose secret is lost, beside running servers or without one. They refuse the
/// old secret at once, and the tokens that were given for it as soon as they look (`denied_tokens`).
///
/// # Errors
/// [`RecoverError`]; then nothing has changed.
pub async fn recover_operator(
    db: &DatabaseConnection,
    on: &Platform,
    lost: &Lost,
) -> Result<Recovered, RecoverError> {
    let now = on.clock().now();
    let transaction = begin_write(db).await?;
    hold(&transaction, ACCOUNTS, Hold::Exclusive).await?;
    let accounts = clients::of(&transaction, Holder::Operator).await?;
    let replaced = chosen(accounts, lost)?;
    let made = Principal {
        client: on.entropy.id(now),
        tenant: None,
        scopes: [ClientScope::Operator].into(),
    };
    let secret = credential::new_secret(&on.entropy);
    let row = ClientRow {
        secret_digest: credential::digest(secret.expose()),
        name: replaced.first().and_then(|row| row.name.clone()),
        ..clients::row(&made, now)
    };
    clients::insert(&transaction, row).await?;
    let replaces: Vec<Id<Client>> = replaced.iter().map(|row| Id::from_uuid(row.id)).collect();
    let words: Vec<String> = replaces.iter().map(ToString::to_string).collect();
    let entry = |act: &str, account: Id<Client>| {
        Entry::new(Chain::Operator, Actor::System, act, now).about(account)
    };
    let recovered = entry("account.recovered", made.client);
    let mut entries = vec![recovered.with_some(
        "replaces",
        Some(words.join(" ")).filter(|words| !words.is_empty()),
    )];
    for mut row in replaced {
        if row.revoked_at.is_some() {
            continue;
        }
        let client: Id<Client> = Id::from_uuid(row.id);
        row.revoked_at = Some(now.utc());
        clients::update(&transaction, row).await?;
        let fact = CredentialRevoked {
            client,
            tenant: None,
        };
        let told = Envelope::of(on.entropy.id(now), None, now, client.to_string(), &fact);
        Outbox::append(&transaction, [told]).await?;
        entries.push(entry("account.disabled", client));
    }
    match audit::append(&transaction, on, entries).await {
        Err(Error::Database(error)) => return Err(error.into()),
        Err(other) => return Err(RecoverError::Trail(other.to_string())),
        Ok(()) => {}
    }
    transaction.commit().await?;
    Ok(Recovered {
        client: made.client,
        secret,
        replaces,
    })
}

/// The accounts that are meant.
fn chosen(accounts: Vec<ClientRow>, lost: &Lost) -> Result<Vec<ClientRow>, RecoverError> {
    let mut admins = accounts;
    admins.retain(|row| row.scopes == ClientScope::Operator.as_str());
    if let Lost::Account(wanted) = lost {
        admins.retain(|row| row.id == wanted.uuid());
        return match admins.is_empty() {
            true => Err(RecoverError::NoSuchAccount(*wanted)),
            false => Ok(admins),
        };
    }
    admins.retain(|row| row.revoked_at.is_none());
    if *lost == Lost::TheOnly && admins.len() > 1 {
        let words: Vec<String> = admins
            .iter()
            .map(|row| {
                let id: Id<Client> = Id::from_uuid(row.id);
                format!("{id} {}", row.name.as_deref().unwrap_or("without a name"))
            })
            .collect();
        return Err(RecoverError::Several(admins.len(), words.join(", ")));
    }
    Ok(admins)
}

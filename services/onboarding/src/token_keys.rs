//! Rotating the keys that sign access tokens (F017).
//!
//! A new key is made known at once and signs a minute later: by then every edge reads by it. The one before is read until the last token
//! that it signed is over. So no token is refused for a rotation, and outside a rotation one key is read. Where a key was betrayed, nothing waits: what it
//! signed is refused as soon as the edges hear of it, and clients get new tokens.
//!
//! The secret halves lie sealed in the database; every process of this service takes them over within seconds, and sooner than they sign.

use std::time::Duration;

use sea_orm::DatabaseTransaction;
use serde::Serialize;
use utoipa::ToSchema;
use warikan_http::Problem;
use warikan_messaging::{Hold, begin_write, hold};
use warikan_runtime::{OpenError, OwnTokenKey, Platform, TOKEN_LIFETIME, token_key_name};
use warikan_types::{Client, Id, Timestamp};

use crate::{
    Onboarding,
    audit::{Actor, Chain, Entry},
    error::Error,
    store::token_keys::{self as store, TokenKeyRow},
};

/// From a key's making to its first signature. An edge asks every fifteen seconds at the latest, a process of this service every five.
const LEAD: Duration = Duration::from_secs(60);
/// From a key's last signature to the end of what it signed, by whatever clock.
const AFTER: Duration = Duration::from_secs(TOKEN_LIFETIME.as_secs() + 120);
/// What a seed is sealed for.
const PLACE: &str = "token_key/";

/// A key by which access tokens are read.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenKeyView {
    /// Its name in tokens and in `/.well-known/jwks.json`.
    kid: String,
    /// From when on it signs, until a later one does.
    signs_from: Timestamp,
    /// Until when tokens are read by it; `null` for the newest.
    accepted_until: Option<Timestamp>,
}

impl From<&TokenKeyRow> for TokenKeyView {
    fn from(row: &TokenKeyRow) -> Self {
        Self {
            kid: row.kid.clone(),
            signs_from: row.signs_from.into(),
            accepted_until: row.until.map(Into::into),
        }
    }
}

impl Onboarding {
    /// Makes a new key. With `compromised` it signs at once and those before are good for nothing.
    pub(crate) async fn rotate_token_keys(
        &self,
        by: Id<Client>,
        compromised: bool,
    ) -> Result<Vec<TokenKeyView>, Problem> {
        let platform = &self.0.platform;
        let now = platform.clock().now();
        let transaction = begin_write(self.0.db.worker()).await?;
        hold(&transaction, "token_keys", Hold::Exclusive).await?;
        let rows = self.known(&transaction, now).await?;
        if !compromised && rows.iter().any(|row| row.signs_from > now.utc()) {
            return Err(Error::Rotating.into());
        }
        let signs_from = if compromised { now } else { now.plus(LEAD) };
        let until = if compromised {
            now
        } else {
            signs_from.plus(AFTER)
        };
        for mut row in rows {
            row.until = Some(
                row.until
                    .map_or(until.utc(), |known| known.min(until.utc())),
            );
            store::put(&transaction, row).await?;
        }
        let seed = platform.entropy.bytes::<32>();
        let kid = token_key_name(&seed).ok_or(Error::Damaged("token_key.kid"))?;
        let row = TokenKeyRow {
            sealed: platform.keys.sealer().seal(&format!("{PLACE}{kid}"), &seed),
            kid: kid.clone(),
            signs_from: signs_from.utc(),
            until: None,
        };
        store::put(&transaction, row).await?;
        let entry = Entry::new(
            Chain::Operator,
            Actor::Operator(by),
            "token_keys.rotated",
            now,
        )
        .with("kid", kid)
        .with("signs_from", signs_from)
        .with("compromised", compromised);
        self.record(&transaction, vec![entry]).await?;
        transaction.commit().await?;
        take_over(self.0.db.worker(), platform).await?;
        // Edges that wait for a sign ask at once.
        self.tell_denials();
        Ok(self.token_keys().await?)
    }

    /// The rows that are not over; where there never were any, one for the key file's own key.
    async fn known(
        &self,
        transaction: &DatabaseTransaction,
        now: Timestamp,
    ) -> Result<Vec<TokenKeyRow>, Error> {
        let rows = store::not_over(transaction, now).await?;
        if !rows.is_empty() {
            return Ok(rows);
        }
        Ok(vec![TokenKeyRow {
            kid: self.0.platform.keys.first_token_key().to_owned(),
            sealed: Vec::new(),
            signs_from: chrono::DateTime::UNIX_EPOCH,
            until: None,
        }])
    }

    /// The keys by which tokens are read, in the order in which they sign. None: the key file's alone.
    pub(crate) async fn token_keys(&self) -> Result<Vec<TokenKeyView>, Error> {
        let now = self.0.platform.clock().now();
        let rows = store::not_over(self.0.db.worker(), now).await?;
        Ok(rows.iter().map(Into::into).collect())
    }

    /// Takes over what another process has rotated, and destroys the secret halves of what is over.
    pub(crate) async fn follow_token_keys(&self) -> Result<(), Error> {
        let platform = &self.0.platform;
        store::destroy(self.0.db.worker(), platform.clock().now()).await?;
        take_over(self.0.db.worker(), platform).await
    }
}

/// Signs and reads by what the database holds.
async fn take_over(db: &sea_orm::DatabaseConnection, on: &Platform) -> Result<(), Error> {
    let damaged = || Error::Damaged("token_key.sealed");
    let mut keys = Vec::new();
    for row in store::not_over(db, on.clock().now()).await? {
        let seed = if row.sealed.is_empty() {
            None
        } else {
            let place = format!("{PLACE}{}", row.kid);
            let octets = on.keys.sealer().open(&place, &row.sealed);
            let octets = octets.map_err(|_| damaged())?;
            Some(octets.try_into().map_err(|_| damaged())?)
        };
        keys.push(OwnTokenKey {
            seed,
            kid: row.kid,
            signs_from: row.signs_from.into(),
            until: row.until.map(Into::into),
        });
    }
    if on.keys.hold_token_keys(&keys) {
        Ok(())
    } else {
        Err(damaged())
    }
}

/// The same at the start: what cannot be read then would leave clients without tokens.
pub(crate) async fn at_start(
    db: &sea_orm::DatabaseConnection,
    on: &Platform,
) -> Result<(), OpenError> {
    match take_over(db, on).await {
        Ok(()) => Ok(()),
        Err(Error::Database(error)) => Err(OpenError::database("onboarding")(error)),
        Err(other) => Err(OpenError::Config {
            service: "onboarding",
            why: format!(
                "its keys for access tokens: {other}; is this the key file they were sealed with?"
            ),
        }),
    }
}

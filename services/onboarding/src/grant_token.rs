//! Granting access tokens (RFC 6749 4.4).

use std::collections::BTreeSet;

use warikan_contracts::facts::TenantState;
use warikan_runtime::{AccessToken, TOKEN_LIFETIME};
use warikan_types::{Client, ClientScope, Environment, Id, Principal};

use crate::{Onboarding, credential, error::Error, store};

pub(crate) struct Grant {
    pub(crate) access_token: String,
    pub(crate) expires_in: u64,
    pub(crate) scopes: BTreeSet<ClientScope>,
}

/// Compared where no client exists, so that an unknown id takes the time a known one takes.
const NOBODY: [u8; 32] = [0; 32];

impl Onboarding {
    /// Gives a token to a client that knows its secret and whose tenant may have one.
    ///
    /// Every refusal is the same [`Error::InvalidClient`]: the caller learns nothing about which ids exist.
    pub(crate) async fn grant_token(
        &self,
        client: Option<Id<Client>>,
        secret: &str,
        asked: Option<&BTreeSet<ClientScope>>,
    ) -> Result<Grant, Error> {
        let row = match client {
            Some(client) => store::client(self.0.db.worker(), client).await?,
            None => None,
        };
        let stored = row
            .as_ref()
            .map_or(NOBODY.as_slice(), |row| &row.secret_digest);
        let known = credential::matches(secret, stored);
        let row = row
            .filter(|row| known && row.revoked_at.is_none())
            .ok_or(Error::InvalidClient)?;
        let mut principal = store::principal(&row)?;
        self.check_tenant(&principal).await?;
        if let Some(asked) = asked {
            // A client asks for less than it has, never for more (RFC 6749 3.3).
            principal.scopes = principal.scopes.intersection(asked).copied().collect();
        }
        let platform = &self.0.platform;
        let access_token = AccessToken::issue(
            &principal,
            &platform.keys,
            platform.clock(),
            &platform.entropy,
        )?;
        store::mark_used(self.0.db.worker(), principal.client, platform.clock().now()).await?;
        Ok(Grant {
            access_token,
            expires_in: TOKEN_LIFETIME.as_secs(),
            scopes: principal.scopes,
        })
    }

    async fn check_tenant(&self, principal: &Principal) -> Result<(), Error> {
        let Some(scope) = principal.tenant else {
            return Ok(());
        };
        let row = store::tenant(self.0.db.worker(), scope.tenant()).await?;
        let state = TenantState::from_word(&row.state).ok_or(Error::Damaged("tenant.state"))?;
        let open = match scope.environment() {
            Environment::Sandbox => state != TenantState::Closed,
            Environment::Production => state == TenantState::Active,
        };
        if open {
            Ok(())
        } else {
            Err(Error::InvalidClient)
        }
    }
}

//! Granting access tokens (RFC 6749 4.4).

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;
use warikan_contracts::facts::TenantState;
use warikan_http::Origin;
use warikan_runtime::{AccessToken, TOKEN_LIFETIME};
use warikan_types::{Client, ClientScope, Environment, Id, Principal, Secret, Timestamp};

use crate::{
    Onboarding,
    client_assertion::Unproved,
    client_keys::ClientKeys,
    credential,
    error::Error,
    store::{
        self, assertions,
        clients::{self, ClientRow},
    },
};

pub(crate) struct Grant {
    pub(crate) access_token: String,
    pub(crate) expires_in: u64,
    pub(crate) scopes: BTreeSet<ClientScope>,
}

/// By what a client says who it is.
pub(crate) enum Proof {
    Secret {
        client: Option<Id<Client>>,
        secret: Secret<String>,
    },
    /// With the client id that stood beside it, where one did.
    Assertion {
        client: Option<String>,
        assertion: String,
    },
}

/// Compared where no client exists, so that an unknown id takes the time a known one takes.
const NOBODY: [u8; 32] = [0; 32];
/// Seconds for which a client's last use is not written again: a client that asks for a token with every request would otherwise cost a
/// write for each.
const USE_NOTED_EVERY: i64 = 60;

impl Onboarding {
    /// Gives a token to a client that proves who it is and whose tenant may have one.
    ///
    /// Every refusal is the same [`Error::InvalidClient`]: the caller learns nothing about which ids exist.
    pub(crate) async fn grant_token(
        &self,
        proof: &Proof,
        asked: Option<&BTreeSet<ClientScope>>,
        origin: &Origin,
    ) -> Result<Grant, Error> {
        let platform = &self.0.platform;
        let now = platform.clock().now();
        let (found, judged) = self.judge(proof, origin, now).await?;
        let (row, networks) = match (found, judged) {
            (Some(row), Ok(networks)) => (row, networks),
            (found, refused) => {
                let why = refused.err();
                warikan_runtime::metrics::sign_in_refused(why.unwrap_or("unknown"));
                if let Some(row) = found {
                    self.0.sign_ins.note(&row, why, origin.address, now);
                }
                return Err(Error::InvalidClient);
            }
        };
        let mut principal = clients::principal(&row)?;
        if let Some(asked) = asked {
            // A client asks for less than it has, never for more (RFC 6749 3.3).
            principal.scopes = principal.scopes.intersection(asked).copied().collect();
        }
        let access_token = AccessToken::issue_for(
            &principal,
            networks,
            &platform.keys,
            platform.clock(),
            &platform.entropy,
        )?;
        let noted = row.last_used_at.map(|at| at.timestamp());
        if noted.is_none_or(|at| now.unix() >= at + USE_NOTED_EVERY) {
            clients::mark_used(self.0.db.worker(), principal.client, now).await?;
        }
        if self.0.sign_ins.note(&row, None, origin.address, now) {
            // Nobody acts for the operator without the trail's knowing it.
            self.write_sign_ins().await?;
        }
        Ok(Grant {
            access_token,
            expires_in: TOKEN_LIFETIME.as_secs(),
            scopes: principal.scopes,
        })
    }

    /// The credential that is named, where there is one, and from where it may come, or why it may not: for the trail, never for the
    /// caller.
    async fn judge(
        &self,
        proof: &Proof,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<(Option<ClientRow>, Judged), Error> {
        let (found, proved) = match proof {
            Proof::Secret { client, secret } => {
                let found = self.client(*client).await?;
                let proved = by_secret(found.as_ref(), secret, now);
                (found, proved)
            }
            Proof::Assertion { client, assertion } => {
                let Some(unproved) = Unproved::read(assertion) else {
                    return Ok((None, Err("no_assertion")));
                };
                let found = self.client(Some(unproved.client)).await?;
                let itself = |named: &String| *named == unproved.client.to_string();
                let proved = if client.as_ref().is_none_or(itself) {
                    self.by_assertion(found.as_ref(), &unproved, origin, now)
                        .await?
                } else {
                    Err("another_client_named")
                };
                (found, proved)
            }
        };
        let Some(row) = &found else {
            return Ok((None, Err("unknown")));
        };
        if let Err(why) = proved.and_then(|()| still_good(row, now)) {
            return Ok((found, Err(why)));
        }
        let networks = networks(row)?;
        if !is_within(&networks, origin.address) {
            return Ok((found, Err("address")));
        }
        let may = self.check_tenant(&clients::principal(row)?).await?;
        Ok((found, may.map(|()| networks)))
    }

    async fn by_assertion(
        &self,
        row: Option<&ClientRow>,
        unproved: &Unproved<'_>,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<Result<(), &'static str>, Error> {
        let keys = row.and_then(|row| row.public_keys.as_deref());
        let (Some(row), Some(keys), Some(base)) = (row, keys, self.own_name(origin)) else {
            return Ok(Err("no_assertion_taken"));
        };
        if let Err(why) = still_good(row, now) {
            return Ok(Err(why));
        }
        let keys: ClientKeys =
            serde_json::from_str(keys).map_err(|_| Error::Damaged("client.public_keys"))?;
        let ours = [format!("{base}/oauth/token"), base];
        let Some(spent) = unproved.prove(&keys, &ours, now) else {
            return Ok(Err("assertion"));
        };
        let first = assertions::spend(self.0.db.worker(), unproved.client, &spent).await?;
        Ok(if first {
            Ok(())
        } else {
            Err("assertion_repeated")
        })
    }

    async fn client(&self, id: Option<Id<Client>>) -> Result<Option<ClientRow>, Error> {
        Ok(match id {
            Some(id) => clients::find(self.0.db.worker(), id).await?,
            None => None,
        })
    }

    async fn check_tenant(&self, principal: &Principal) -> Result<Result<(), &'static str>, Error> {
        let Some(scope) = principal.tenant else {
            return Ok(Ok(()));
        };
        let row = store::tenant(self.0.db.worker(), scope.tenant()).await?;
        let state = TenantState::from_word(&row.state).ok_or(Error::Damaged("tenant.state"))?;
        let open = match scope.environment() {
            Environment::Sandbox => state != TenantState::Closed,
            Environment::Production => state == TenantState::Active,
        };
        Ok(if open { Ok(()) } else { Err("tenant_state") })
    }

    /// The platform's own name, without a slash at its end: what the operator says it is. Where nothing is said, the name it was called by
    /// is taken on the same machine alone: a client's `Host` must not decide for whom an assertion was made.
    pub(crate) fn own_name(&self, origin: &Origin) -> Option<String> {
        match &self.0.public_url {
            Some(url) => Some(url.clone()),
            None => is_loopback(&origin.base).then(|| origin.base.clone()),
        }
    }
}

/// From where it may come, or why it may not.
type Judged = Result<Vec<IpNet>, &'static str>;

fn by_secret(
    row: Option<&ClientRow>,
    secret: &Secret<String>,
    now: Timestamp,
) -> Result<(), &'static str> {
    let secrets = row.map_or((NOBODY.as_slice(), None), |row| {
        let previous = row.previous_until.filter(|until| *until > now.utc());
        let previous = previous.and(row.previous_digest.as_deref());
        (row.secret_digest.as_slice(), previous)
    });
    // Both are compared always: which of them it was is not told by the time.
    let current = credential::matches(secret.expose(), secrets.0);
    let previous = credential::matches(secret.expose(), secrets.1.unwrap_or(&NOBODY));
    if current || previous {
        Ok(())
    } else {
        Err("secret")
    }
}

/// Whether the credential is neither revoked nor over.
fn still_good(row: &ClientRow, now: Timestamp) -> Result<(), &'static str> {
    if row.revoked_at.is_some() {
        Err("revoked")
    } else if row.expires_at.is_some_and(|at| at <= now.utc()) {
        Err("expired")
    } else {
        Ok(())
    }
}

fn is_loopback(base: &str) -> bool {
    let Some(host) = base.strip_prefix("http://") else {
        return false;
    };
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost"
        || name
            .trim_matches(['[', ']'])
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// From where a client may come; anywhere where there are none.
pub(crate) fn networks(row: &ClientRow) -> Result<Vec<IpNet>, Error> {
    row.networks
        .as_deref()
        .unwrap_or_default()
        .split_ascii_whitespace()
        .map(|text| text.parse().map_err(|_| Error::Damaged("client.networks")))
        .collect()
}

fn is_within(networks: &[IpNet], address: Option<IpAddr>) -> bool {
    let within = |address: IpAddr| networks.iter().any(|net| net.contains(&address));
    networks.is_empty() || address.is_some_and(within)
}

//! What is said and asked about credentials on the wire.

use chrono::Duration;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_http::Problem;
use warikan_types::{ClientId, ClientScope, Environment, Timestamp};

use crate::{
    client_keys::ClientKeys,
    error::Error,
    grant_token::networks,
    store::clients::{self, ClientRow},
};

/// Networks of one credential: they travel in its tokens.
const MOST_NETWORKS: usize = 16;

/// What a new credential is for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCredential {
    /// `production` only for an active tenant. A tenant makes credentials of the environment that its own token is for.
    pub(crate) environment: Environment,
    /// All of a tenant's scopes but `access` where absent.
    #[schema(max_items = 9)]
    pub(crate) scopes: Option<Vec<ClientScope>>,
    /// Whether there is a secret: `true` where absent and no `public_keys` are given.
    pub(crate) secret: Option<bool>,
    /// What it is called, 1 to 100 characters.
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"
    )]
    pub(crate) name: Option<String>,
    /// When it ends by itself.
    pub(crate) expires_at: Option<Timestamp>,
    /// From where alone it may be used, tokens included: up to 16 networks, `192.0.2.0/24`. Absent or empty: from anywhere.
    #[schema(value_type = Option<Vec<String>>, max_items = 16)]
    pub(crate) networks: Option<Vec<IpNet>>,
    /// Public keys for `private_key_jwt`.
    pub(crate) public_keys: Option<ClientKeys>,
}

impl NewCredential {
    /// What can be changed later too.
    pub(crate) fn settings(&self) -> CredentialSettings {
        CredentialSettings {
            name: self.name.clone(),
            expires_at: self.expires_at,
            networks: self.networks.clone(),
            public_keys: self.public_keys.clone(),
        }
    }
}

/// What can be changed of a credential; absent members stay as they are.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CredentialSettings {
    /// What it is called, 1 to 100 characters.
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"
    )]
    pub(crate) name: Option<String>,
    /// When it ends by itself.
    pub(crate) expires_at: Option<Timestamp>,
    /// From where alone it may be used, tokens included: up to 16 networks, `192.0.2.0/24`. Empty: from anywhere.
    #[schema(value_type = Option<Vec<String>>, max_items = 16)]
    pub(crate) networks: Option<Vec<IpNet>>,
    /// The public keys for `private_key_jwt`; they replace those before. For a rotation with overlap register the new key beside the old one first.
    pub(crate) public_keys: Option<ClientKeys>,
}

/// How a secret is changed over.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rotation {
    /// Seconds for which the old secret stays good, 0 to 604,800 (a week); 86,400 where absent. 0 where it leaked.
    #[serde(default = "a_day")]
    #[schema(maximum = 604800)]
    pub(crate) overlap_seconds: u32,
}

fn a_day() -> u32 {
    86_400
}

/// A credential, with its secret for the only time.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedCredential {
    /// Shown once; only its hash is kept. Absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_secret: Option<String>,
    #[serde(flatten)]
    pub(crate) credential: CredentialView,
}

/// A credential.
#[derive(Serialize, ToSchema)]
pub(crate) struct CredentialView {
    pub(crate) client_id: ClientId,
    /// Absent for the operator's own.
    environment: Option<Environment>,
    scopes: Vec<ClientScope>,
    name: Option<String>,
    /// How it may authenticate at the token endpoint.
    methods: Vec<&'static str>,
    /// From where it may be used; empty: from anywhere.
    #[schema(value_type = Vec<String>)]
    networks: Vec<IpNet>,
    public_keys: Option<ClientKeys>,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    /// To the minute.
    last_used_at: Option<Timestamp>,
    /// Until when the secret before the last rotation is good too.
    previous_secret_until: Option<Timestamp>,
}

impl CredentialView {
    pub(crate) fn of(row: &ClientRow, now: Timestamp) -> Result<Self, Error> {
        let principal = clients::principal(row)?;
        let keys = row.public_keys.as_deref().map(serde_json::from_str);
        let mut methods = Vec::new();
        if !row.secret_digest.is_empty() {
            methods.extend(["client_secret_basic", "client_secret_post"]);
        }
        if keys.is_some() {
            methods.push("private_key_jwt");
        }
        Ok(Self {
            client_id: principal.client,
            environment: principal.tenant.map(|scope| scope.environment()),
            scopes: principal.scopes.into_iter().collect(),
            name: row.name.clone(),
            methods,
            networks: networks(row)?,
            public_keys: keys
                .transpose()
                .map_err(|_| Error::Damaged("client.public_keys"))?,
            created_at: row.created_at.into(),
            expires_at: row.expires_at.map(Into::into),
            revoked_at: row.revoked_at.map(Into::into),
            last_used_at: row.last_used_at.map(Into::into),
            previous_secret_until: row
                .previous_until
                .filter(|until| *until > now.utc())
                .map(Into::into),
        })
    }
}

impl CredentialSettings {
    /// Puts what is given into a row.
    pub(crate) fn put(&self, row: &mut ClientRow, now: Timestamp) -> Result<(), Problem> {
        let wrong =
            |member: &str, why: String| Problem::field(format!("/{member}"), "invalid_value", why);
        if let Some(name) = &self.name {
            row.name = Some(crate::text::plain("/name", name, 100)?);
        }
        if let Some(at) = self.expires_at {
            let furthest = now.utc() + Duration::days(3660);
            if at <= now || at.utc() > furthest {
                return Err(wrong(
                    "expires_at",
                    "a time within the next ten years".to_owned(),
                ));
            }
            row.expires_at = Some(at.utc());
        }
        if let Some(networks) = &self.networks {
            if networks.len() > MOST_NETWORKS {
                return Err(wrong("networks", format!("at most {MOST_NETWORKS}")));
            }
            let words: Vec<String> = networks.iter().map(|net| net.trunc().to_string()).collect();
            row.networks = (!words.is_empty()).then(|| words.join(" "));
        }
        if let Some(keys) = &self.public_keys {
            keys.check()
                .map_err(|(at, why)| wrong(&format!("public_keys/keys{at}"), why.to_owned()))?;
            let text = serde_json::to_string(keys).map_err(|error| Problem::internal(&error))?;
            row.public_keys = Some(text);
        }
        Ok(())
    }
}

/// Scopes that a credential may be given, repetitions included.
const MOST_SCOPES: usize = 9;

/// Which scopes a tenant's new credential gets.
pub(crate) fn tenant_scopes(asked: Option<&[ClientScope]>) -> Result<Vec<ClientScope>, Problem> {
    match asked {
        None => Ok(ClientScope::USUAL.to_vec()),
        Some(scopes)
            if (1..=MOST_SCOPES).contains(&scopes.len())
                && scopes.iter().all(|one| ClientScope::TENANT.contains(one)) =>
        {
            Ok(scopes.to_vec())
        }
        Some(_) => Err(Problem::field(
            "/scopes",
            "invalid_value",
            "one or more of a tenant's scopes, 9 at most; `operator` is not one of them",
        )),
    }
}

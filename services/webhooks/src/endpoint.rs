//! An endpoint: where a tenant wants events, which, and with which secrets they are signed.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use utoipa::ToSchema;
use warikan_types::{Environment, Id, SealError, Sealer, TenantScope, Timestamp};

use crate::{catalogue::EventType, entity::endpoint, ids::EndpointId, signature::SigningSecret};

/// Why, and since when, nothing is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Disabled {
    /// `paused` (asked for), `gone` (it answered 410), `failing` (days without one success) or `tenant_closed`.
    cause: String,
    at: Timestamp,
}

/// A webhook endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct EndpointView {
    pub id: EndpointId,
    pub url: String,
    /// The types it gets; empty for all.
    pub types: Vec<EventType>,
    pub enabled: bool,
    pub disabled: Option<Disabled>,
    /// Since when every attempt has failed; `null` while all is well.
    pub failing_since: Option<Timestamp>,
    /// Until when the secret before the last rotation goes on signing.
    pub previous_secret_until: Option<Timestamp>,
    /// `whpk_..`: verifies the `v1a` signatures (Ed25519). It is no secret. `null` for endpoints from before `v1a`, until their
    /// next rotation.
    pub public_key: Option<String>,
    /// The public key before the last rotation, as long as it goes on signing.
    pub previous_public_key: Option<String>,
    /// It answered 429, 502, 503 or 504: nothing is sent to it before this moment.
    pub throttled_until: Option<Timestamp>,
    pub created_at: Timestamp,
}

impl EndpointView {
    pub(crate) fn of(row: &endpoint::Model, now: Timestamp) -> Self {
        Self {
            id: Id::from_uuid(row.id),
            url: row.url.clone(),
            types: types(row).collect(),
            enabled: row.enabled,
            disabled: row
                .disabled_cause
                .clone()
                .zip(row.disabled_at)
                .map(|(cause, at)| Disabled {
                    cause,
                    at: at.into(),
                }),
            failing_since: row.failing_since.map(Into::into),
            previous_secret_until: row
                .previous_until
                .map(Timestamp::new)
                .filter(|at| *at > now),
            public_key: row.public_key.clone(),
            previous_public_key: row
                .previous_public_key
                .clone()
                .filter(|_| row.previous_until.is_some_and(|until| until > now.utc())),
            throttled_until: row
                .throttled_until
                .map(Timestamp::new)
                .filter(|at| *at > now),
            created_at: row.created_at.into(),
        }
    }
}

/// An endpoint, and its secret for the only time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CreatedEndpoint {
    #[serde(flatten)]
    pub endpoint: EndpointView,
    /// `whsec_..`: verify signatures with it (Standard Webhooks). It is not shown again.
    pub secret: String,
}

/// What a new endpoint is made of.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewEndpoint {
    /// `https`, without user info and fragment, to a public address; at most 2,048 characters.
    #[schema(format = "uri", pattern = "^https://", max_length = 2048)]
    pub url: String,
    /// The types it gets; absent or empty for all.
    #[serde(default, deserialize_with = "chosen")]
    #[schema(max_items = 100)]
    pub types: BTreeSet<EventType>,
}

/// What is to change; absent members stay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndpointChange {
    /// As at creation.
    #[schema(format = "uri", pattern = "^https://", max_length = 2048)]
    pub url: Option<String>,
    /// As at creation.
    #[serde(default, deserialize_with = "chosen_if_any")]
    #[schema(max_items = 100)]
    pub types: Option<BTreeSet<EventType>>,
    /// `false` pauses: events go on to the feed, no deliveries are made. `true` resumes, also after the platform
    /// disabled it; deliveries that were waiting go out, and what was missed can be replayed.
    pub enabled: Option<bool>,
}

/// Types that a filter may name, repetitions included.
const MOST_TYPES: usize = 100;

fn chosen<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeSet<EventType>, D::Error> {
    let types = Vec::<EventType>::deserialize(from)?;
    if types.len() > MOST_TYPES {
        return Err(D::Error::custom(format!("at most {MOST_TYPES} types")));
    }
    Ok(types.into_iter().collect())
}

fn chosen_if_any<'de, D>(from: D) -> Result<Option<BTreeSet<EventType>>, D::Error>
where
    D: Deserializer<'de>,
{
    #[derive(Deserialize)]
    struct Chosen(#[serde(deserialize_with = "chosen")] BTreeSet<EventType>);
    Ok(Option::<Chosen>::deserialize(from)?.map(|chosen| chosen.0))
}

/// The stored form of a type filter.
pub(crate) fn filter_text(types: &BTreeSet<EventType>) -> String {
    types
        .iter()
        .map(|one| one.as_str())
        .collect::<Vec<_>>()
        .join(",")
}

fn types(row: &endpoint::Model) -> impl Iterator<Item = EventType> + '_ {
    row.types.split(',').filter_map(EventType::from_word)
}

/// Whether the endpoint asked for this type.
pub(crate) fn wants(row: &endpoint::Model, event_type: EventType) -> bool {
    row.types.is_empty() || types(row).any(|one| one == event_type)
}

/// Where an endpoint's secrets are sealed for.
fn place(row: &endpoint::Model) -> String {
    format!("endpoint/{}/{}", row.tenant, row.id)
}

pub(crate) fn seal(row: &endpoint::Model, sealer: &Sealer, secret: &SigningSecret) -> Vec<u8> {
    sealer.seal(&place(row), secret.octets().expose())
}

/// The same secret under another key; `None` where it is under that already, or cannot be opened.
pub(crate) fn sealed_anew(
    row: &endpoint::Model,
    sealed: &[u8],
    before: &Sealer,
    now: &Sealer,
) -> Option<Vec<u8>> {
    if sealed.first() != Some(&Sealer::PLATFORM) {
        return None;
    }
    match before.open(&place(row), sealed) {
        Ok(plain) => Some(now.seal(&place(row), &plain)),
        Err(error) => {
            tracing::error!(endpoint = %row.id, %error, "an endpoint's secret cannot be sealed anew");
            None
        }
    }
}

/// Whose it is. What is not the sandbox is judged by the stricter rules.
pub(crate) fn scope_of(row: &endpoint::Model) -> TenantScope {
    let environment = Environment::from_word(&row.environment).unwrap_or(Environment::Production);
    TenantScope::of_event(Id::from_uuid(row.tenant), environment)
}

/// The secrets that sign now, the newest first.
pub(crate) fn secrets(
    row: &endpoint::Model,
    sealer: &Sealer,
    now: Timestamp,
) -> Result<Vec<SigningSecret>, SealError> {
    let overlap = row.previous_until.is_some_and(|until| now.utc() < until);
    let previous = row.previous_secret.as_ref().filter(|_| overlap);
    std::iter::once(&row.secret)
        .chain(previous)
        .map(|sealed| {
            sealer
                .open(&place(row), sealed)
                .map(|octets| SigningSecret::from_octets(&octets))
        })
        .collect()
}

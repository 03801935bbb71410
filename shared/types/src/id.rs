//! Prefixed ids: a UUIDv7 under a short prefix that says what it names (`ten_..`, `ver_..`).

use std::{fmt, marker::PhantomData, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};
use uuid::Uuid;

/// What an id names; implemented by empty marker types only.
pub trait IdKind: Send + Sync + 'static {
    /// The wire prefix, without the underscore.
    const PREFIX: &'static str;
}

/// A typed id. On the wire `<prefix>_<32 lower-case hex digits>`; in a row a UUID.
///
/// Parsing happens in `Deserialize`: an id of the wrong kind never gets past the edge.
pub struct Id<K> {
    uuid: Uuid,
    kind: PhantomData<fn() -> K>,
}

/// Why a text is not an id of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of the form {expected}_<32 lower-case hex digits>")]
pub struct IdError {
    /// The prefix that was expected.
    pub expected: &'static str,
}

impl<K: IdKind> Id<K> {
    /// Wraps a stored UUID.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self {
            uuid,
            kind: PhantomData,
        }
    }

    /// The form that rows carry.
    #[must_use]
    pub const fn uuid(&self) -> Uuid {
        self.uuid
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.uuid == other.uuid
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.uuid.cmp(&other.uuid)
    }
}
impl<K> std::hash::Hash for Id<K> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.uuid.hash(state);
    }
}
impl<K: IdKind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", K::PREFIX, self.uuid.as_simple())
    }
}
impl<K: IdKind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<K: IdKind> FromStr for Id<K> {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let refused = || IdError {
            expected: K::PREFIX,
        };
        let hex = text
            .strip_prefix(K::PREFIX)
            .and_then(|rest| rest.strip_prefix('_'))
            .ok_or_else(refused)?;
        // One spelling per id: upper case or hyphens would make two strings name one thing.
        let canonical = hex.len() == 32
            && hex
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if !canonical {
            return Err(refused());
        }
        Uuid::try_parse(hex)
            .map(Self::from_uuid)
            .map_err(|_| refused())
    }
}

impl<K: IdKind> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de, K: IdKind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl<K: IdKind> utoipa::PartialSchema for Id<K> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(format!("^{}_[0-9a-f]{{32}}$", K::PREFIX)))
            .into()
    }
}
impl<K: IdKind> utoipa::ToSchema for Id<K> {
    fn name() -> std::borrow::Cow<'static, str> {
        format!("Id_{}", K::PREFIX).into()
    }
}

/// A private verifier (署名検証者) that delegates its confirmation work.
pub enum Tenant {}
impl IdKind for Tenant {
    const PREFIX: &'static str = "ten";
}
/// An API credential of a tenant or of the operator.
pub enum Client {}
impl IdKind for Client {
    const PREFIX: &'static str = "cli";
}
/// A delegation contract.
pub enum Contract {}
impl IdKind for Contract {
    const PREFIX: &'static str = "ctr";
}
/// A single-use challenge.
pub enum Challenge {}
impl IdKind for Challenge {
    const PREFIX: &'static str = "chl";
}
/// One verification.
pub enum Verification {}
impl IdKind for Verification {
    const PREFIX: &'static str = "ver";
}
/// A natural person as *one* tenant knows them.
pub enum Subject {}
impl IdKind for Subject {
    const PREFIX: &'static str = "sub";
}
/// A certificate as one tenant knows it: a keyed pseudonym, not a row id.
pub enum Certificate {}
impl IdKind for Certificate {
    const PREFIX: &'static str = "crt";
}
/// A standing order to watch a certificate.
pub enum Watch {}
impl IdKind for Watch {
    const PREFIX: &'static str = "wch";
}
/// A check of a whole portfolio of certificates.
pub enum Campaign {}
impl IdKind for Campaign {
    const PREFIX: &'static str = "cmp";
}
/// A fact on the bus, and the same fact in a tenant's feed.
pub enum Event {}
impl IdKind for Event {
    const PREFIX: &'static str = "evt";
}
/// A webhook endpoint.
pub enum Endpoint {}
impl IdKind for Endpoint {
    const PREFIX: &'static str = "whe";
}
/// One event on its way to one endpoint.
pub enum Delivery {}
impl IdKind for Delivery {
    const PREFIX: &'static str = "dlv";
}
/// An invoice.
pub enum Invoice {}
impl IdKind for Invoice {
    const PREFIX: &'static str = "inv";
}
/// One metered operation.
pub enum UsageRecord {}
impl IdKind for UsageRecord {
    const PREFIX: &'static str = "use";
}
/// A simulated citizen of the sandbox.
pub enum Person {}
impl IdKind for Person {
    const PREFIX: &'static str = "psn";
}
/// A record of the audit trail.
pub enum AuditRecord {}
impl IdKind for AuditRecord {
    const PREFIX: &'static str = "aud";
}
/// One HTTP request.
pub enum Request {}
impl IdKind for Request {
    const PREFIX: &'static str = "req";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_form_round_trips_and_is_unique() {
        let id: Id<Tenant> = Id::from_uuid(Uuid::from_u128(0x0192_f3c4));
        let text = id.to_string();
        assert_eq!(text.parse::<Id<Tenant>>().unwrap(), id);
        assert!(text.parse::<Id<Client>>().is_err(), "another kind's prefix");
        assert!(text.to_uppercase().parse::<Id<Tenant>>().is_err());
        assert!(format!("ten_{}", id.uuid()).parse::<Id<Tenant>>().is_err());
        assert!(serde_json::from_str::<Id<Tenant>>("\"ten_1\"").is_err());
    }
}

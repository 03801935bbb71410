//! The envelope in which every fact travels.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use warikan_types::{Environment, Event, Id, TenantScope, Timestamp};

use crate::Payload;

/// A fact's payload: its type name (past tense) and version are part of the contract.
pub trait Fact: Serialize + DeserializeOwned {
    /// `noun.verb_past`, as the public event catalogue names it where it has a public form.
    const TYPE: &'static str;
    /// Raised when a consumer of the old shape could misread the new one.
    const VERSION: u16;
}

/// A fact on its way. Carries no personal data: it is stored in outboxes, brokers and logs of the platform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// Identity for deduplication; the public feed shows the same id.
    pub id: Id<Event>,
    /// [`Fact::TYPE`].
    #[serde(rename = "type")]
    pub fact_type: String,
    /// [`Fact::VERSION`].
    pub version: u16,
    /// Whose fact it is; `None` for the platform's own.
    #[serde(with = "scope")]
    pub scope: Option<TenantScope>,
    /// When it became true.
    pub occurred_at: Timestamp,
    /// What it is about (an id's wire form), for tracing and ordering hints.
    pub aggregate: String,
    /// W3C `traceparent` of the request that caused it.
    pub trace: Option<String>,
    /// The fact.
    pub payload: Payload,
}

/// An envelope does not hold the fact that its type promises.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// Another type than the one asked for.
    #[error("the envelope holds a {found}, not a {expected}")]
    Type {
        /// What was asked for.
        expected: &'static str,
        /// What it says it holds.
        found: String,
    },
    /// A version this code does not know.
    #[error("version {found} of {fact} is not known here")]
    Version {
        /// The fact's type.
        fact: &'static str,
        /// The version found.
        found: u16,
    },
    /// The payload has another shape.
    #[error("the payload of {fact} has another shape")]
    Payload {
        /// The fact's type.
        fact: &'static str,
        /// What serde said.
        source: serde_json::Error,
    },
}

impl Envelope {
    /// Wraps a fact.
    ///
    /// # Panics
    /// Never: facts are plain structs with string keys, which JSON always holds.
    #[must_use]
    pub fn of<F: Fact>(
        id: Id<Event>,
        scope: Option<TenantScope>,
        occurred_at: Timestamp,
        aggregate: impl Into<String>,
        fact: &F,
    ) -> Self {
        Self {
            id,
            fact_type: F::TYPE.to_owned(),
            version: F::VERSION,
            scope,
            occurred_at,
            aggregate: aggregate.into(),
            trace: None,
            payload: Payload::of(fact),
        }
    }

    /// Whether it holds an `F`.
    #[must_use]
    pub fn is<F: Fact>(&self) -> bool {
        self.fact_type == F::TYPE
    }

    /// Reads the fact.
    ///
    /// # Errors
    /// Another type, an unknown version, or a payload of another shape: a consumer parks it.
    pub fn read<F: Fact>(&self) -> Result<F, EnvelopeError> {
        if !self.is::<F>() {
            return Err(EnvelopeError::Type {
                expected: F::TYPE,
                found: self.fact_type.clone(),
            });
        }
        if self.version != F::VERSION {
            return Err(EnvelopeError::Version {
                fact: F::TYPE,
                found: self.version,
            });
        }
        self.payload
            .read()
            .map_err(|source| EnvelopeError::Payload {
                fact: F::TYPE,
                source,
            })
    }
}

/// `TenantScope` has no serde of its own: only an envelope may carry one, and only here is it read back.
mod scope {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use warikan_types::{Environment, TenantId, TenantScope};

    #[derive(Serialize, Deserialize)]
    struct Wire {
        tenant: TenantId,
        environment: Environment,
    }

    pub(super) fn serialize<S: Serializer>(
        scope: &Option<TenantScope>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        scope
            .map(|scope| Wire {
                tenant: scope.tenant(),
                environment: scope.environment(),
            })
            .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<TenantScope>, D::Error> {
        Ok(Option::<Wire>::deserialize(deserializer)?
            .map(|wire| TenantScope::of_event(wire.tenant, wire.environment)))
    }
}

/// The environment of a fact, where it has one.
impl Envelope {
    /// The environment it belongs to.
    #[must_use]
    pub fn environment(&self) -> Option<Environment> {
        self.scope.map(|scope| scope.environment())
    }
}

//! Trust anchors: the CA certificates that the operator pinned.
//!
//! J-LIS renews its root every four years under the *same name*, so an anchor is found by key id and proved by
//! signature, never by name alone. Expired roots stay in the set: evidence made under them must still be
//! explained. The set belongs to both environments at once, and each anchor to exactly one; a root of the test hierarchy
//! (`O=JPKI-TEST`) among the production anchors, or one key in both, stops the program at start.

use std::sync::Arc;

use warikan_types::{Environment, IssuerKey};

use crate::{
    certificate::{Certificate, ParseError},
    extension::KeyUsage,
    hash,
    key::{KeyError, PublicKey},
    name::CanonicalName,
    oid::ORGANIZATION,
    profile::ProfileTable,
};

/// One pinned CA certificate.
#[derive(Debug)]
pub struct TrustAnchor {
    environment: Environment,
    certificate: Certificate,
    name: CanonicalName,
    key: IssuerKey,
    public_key: PublicKey,
}

impl TrustAnchor {
    /// Whether this (a whole `Name`) is its name. A CA writes its name the same way everywhere, so the octets nearly
    /// always agree.
    pub(crate) fn is_named(&self, name: &[u8]) -> bool {
        name == self.certificate.subject()
            || CanonicalName::read(name).is_ok_and(|name| name == self.name)
    }

    /// The environment it vouches in.
    #[must_use]
    pub const fn environment(&self) -> Environment {
        self.environment
    }

    /// The CA certificate.
    #[must_use]
    pub const fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// What identifies it.
    #[must_use]
    pub const fn key(&self) -> IssuerKey {
        self.key
    }

    /// Its key, parsed once.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.public_key
    }
}

/// Why a set of anchors cannot be used. Each names the certificate by its position in what was handed in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnchorError {
    /// The octets are no certificate.
    #[error("anchor {0}: {1}")]
    Malformed(usize, ParseError),
    /// Its key is malformed or refused.
    #[error("anchor {0}: {1}")]
    Key(usize, KeyError),
    /// Not a CA that signs certificates.
    #[error("anchor {0}: not a CA certificate")]
    NotCa(usize),
    /// Issuer and subject differ, or its own key did not sign it.
    #[error("anchor {0}: not self-signed")]
    NotSelfSigned(usize),
    /// A root of the test hierarchy among the production anchors.
    #[error("anchor {0}: a JPKI-TEST root cannot be a production anchor")]
    TestRootInProduction(usize),
    /// Its key is already pinned in the other environment.
    #[error("anchor {0}: the same key is pinned in both environments")]
    BothEnvironments(usize),
}

/// The pinned anchors of both environments, and the profiles that certificates under them have.
#[derive(Debug, Clone)]
pub struct AnchorSet {
    /// Sorted by environment, key, later end first: nothing depends on the order they were handed in.
    anchors: Vec<Arc<TrustAnchor>>,
    profiles: ProfileTable,
    version: [u8; 32],
}

impl AnchorSet {
    /// Checks and keeps the anchors; duplicates count once.
    ///
    /// # Errors
    /// [`AnchorError`] for the first that cannot be an anchor.
    pub fn new(
        anchors: impl IntoIterator<Item = (Environment, Vec<u8>)>,
    ) -> Result<Self, AnchorError> {
        let mut kept: Vec<Arc<TrustAnchor>> = Vec::new();
        for (index, (environment, der)) in anchors.into_iter().enumerate() {
            let anchor = pin(index, environment, &der)?;
            if kept
                .iter()
                .any(|other| other.key == anchor.key && other.environment != anchor.environment)
            {
                return Err(AnchorError::BothEnvironments(index));
            }
            if kept
                .iter()
                .all(|other| other.certificate.sha256() != anchor.certificate.sha256())
            {
                kept.push(Arc::new(anchor));
            }
        }
        kept.sort_by_key(|anchor| {
            (
                anchor.environment,
                anchor.key,
                std::cmp::Reverse(anchor.certificate.not_after()),
                anchor.certificate.sha256(),
            )
        });
        let mut set = Self {
            anchors: kept,
            profiles: ProfileTable::jpki(),
            version: [0; 32],
        };
        set.version = set.compute_version();
        Ok(set)
    }

    /// With another table of profiles.
    #[must_use]
    pub fn with_profiles(mut self, profiles: ProfileTable) -> Self {
        self.profiles = profiles;
        self.version = self.compute_version();
        self
    }

    /// Identifies the set: equal versions give equal examinations.
    #[must_use]
    pub const fn version(&self) -> [u8; 32] {
        self.version
    }

    /// Every anchor, in an order that does not depend on how they were handed in.
    pub fn iter(&self) -> impl Iterator<Item = &TrustAnchor> {
        self.anchors.iter().map(AsRef::as_ref)
    }

    /// The anchor with this key; of several certificates for one key the one that ends last.
    #[must_use]
    pub fn by_key(&self, key: &IssuerKey) -> Option<&TrustAnchor> {
        self.iter().find(|anchor| anchor.key == *key)
    }

    /// The profiles.
    #[must_use]
    pub const fn profiles(&self) -> &ProfileTable {
        &self.profiles
    }

    pub(crate) fn shared(&self) -> &[Arc<TrustAnchor>] {
        &self.anchors
    }

    fn compute_version(&self) -> [u8; 32] {
        let mut all = self.profiles.version().to_vec();
        for anchor in &self.anchors {
            all.extend(anchor.environment.as_str().as_bytes());
            all.extend(anchor.certificate.sha256());
        }
        hash::sha256(&all)
    }
}

fn pin(index: usize, environment: Environment, der: &[u8]) -> Result<TrustAnchor, AnchorError> {
    let malformed = |error| AnchorError::Malformed(index, error);
    let certificate = Certificate::parse(der).map_err(malformed)?;
    let read = |name| CanonicalName::read(name).map_err(|error| malformed(error.into()));
    let (name, issuer) = (read(certificate.subject())?, read(certificate.issuer())?);
    if environment == Environment::Production && name.has(ORGANIZATION, "JPKI-TEST") {
        return Err(AnchorError::TestRootInProduction(index));
    }
    let signs = certificate
        .key_usage()
        .is_none_or(|usage| usage.contains(KeyUsage::KEY_CERT_SIGN));
    if !certificate.is_ca() || !signs || certificate.has_unknown_critical() {
        return Err(AnchorError::NotCa(index));
    }
    let public_key = PublicKey::from_spki(certificate.spki_der())
        .map_err(|error| AnchorError::Key(index, error))?;
    let algorithm = certificate
        .signature_algorithm()
        .map_err(|_| AnchorError::Key(index, KeyError::Refused))?;
    let own = public_key.verify(algorithm, certificate.tbs(), certificate.signature());
    if issuer != name || own.is_err() {
        return Err(AnchorError::NotSelfSigned(index));
    }
    Ok(TrustAnchor {
        environment,
        key: certificate.issuer_key_of_self(),
        certificate,
        name,
        public_key,
    })
}

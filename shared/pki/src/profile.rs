//! What a certificate of each kind must look like: rows of data, found by the certificate policy.
//!
//! The four legal kinds differ in policy OID, key usage and extended key usage, and production differs from the test
//! hierarchy in the policy OID. The rows of [`ProfileTable::jpki`] were read off real certificates. The kinds of
//! the smartphone (移動端末設備用) are in the vocabulary, but their OIDs are not public: an operator who has them adds
//! rows with [`ProfileTable::with`]; until then such a certificate is `certificate_unsupported`.

use warikan_types::{CertificateKind, Environment};

use crate::{certificate::Certificate, extension::KeyUsage, hash, oid::Oid};

/// One row: certificates that carry this policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The legal kind.
    pub kind: CertificateKind,
    /// The hierarchy that issues under this policy.
    pub environment: Environment,
    /// The certificate policy.
    pub policy: Oid,
    /// The key usage, exactly.
    pub key_usage: KeyUsage,
    /// The extended key usage: exactly this one, or none.
    pub ext_key_usage: Option<Oid>,
}

/// The rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileTable(Vec<Profile>);

/// Two rows for one policy: the kind would be ambiguous.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the policy {0} has two profiles")]
pub struct ProfileError(Oid);

/// Policies under 1.2.392.200149.8.5.1 (JPKI): `.1.20`, `.3.30` production, `.0.20`, `.0.30` test. That of the production
/// authentication certificate is known from one source only.
const JPKI: [(CertificateKind, Environment, &str); 4] = [
    (
        CertificateKind::CardSignature,
        Environment::Production,
        "1.2.392.200149.8.5.1.1.20",
    ),
    (
        CertificateKind::CardSignature,
        Environment::Sandbox,
        "1.2.392.200149.8.5.1.0.20",
    ),
    (
        CertificateKind::CardAuthentication,
        Environment::Production,
        "1.2.392.200149.8.5.1.3.30",
    ),
    (
        CertificateKind::CardAuthentication,
        Environment::Sandbox,
        "1.2.392.200149.8.5.1.0.30",
    ),
];

impl ProfileTable {
    /// The kinds whose profile is known.
    #[must_use]
    pub fn jpki() -> Self {
        let client_auth = Oid::from_content(crate::oid::CLIENT_AUTH);
        let signature = KeyUsage::DIGITAL_SIGNATURE.with(KeyUsage::NON_REPUDIATION);
        let rows = JPKI.map(|(kind, environment, policy)| Profile {
            kind,
            environment,
            policy: policy.parse().expect("the table holds dotted OIDs"),
            key_usage: if kind.is_signature() {
                signature
            } else {
                KeyUsage::DIGITAL_SIGNATURE
            },
            ext_key_usage: (!kind.is_signature()).then(|| client_auth.clone()),
        });
        Self(rows.into())
    }

    /// With one more row.
    ///
    /// # Errors
    /// [`ProfileError`] if the policy already has one.
    pub fn with(mut self, row: Profile) -> Result<Self, ProfileError> {
        if self.0.iter().any(|other| other.policy == row.policy) {
            return Err(ProfileError(row.policy));
        }
        self.0.push(row);
        self.0.sort_by(|a, b| a.policy.cmp(&b.policy));
        Ok(self)
    }

    /// The rows.
    pub fn iter(&self) -> impl Iterator<Item = &Profile> {
        self.0.iter()
    }

    /// Identifies the rows, whatever order they were given in.
    pub(crate) fn version(&self) -> [u8; 32] {
        let mut rows: Vec<String> = self.0.iter().map(|row| format!("{row:?}")).collect();
        rows.sort_unstable();
        hash::sha256(rows.join("\n").as_bytes())
    }

    pub(crate) fn find(&self, certificate: &Certificate) -> ProfileMatch {
        let mut rows = self
            .0
            .iter()
            .filter(|row| certificate.policies().contains(&row.policy));
        let Some(row) = rows.next().filter(|_| !certificate.is_ca()) else {
            return ProfileMatch::Unsupported;
        };
        let kept = rows.next().is_none() && row.is_kept_by(certificate);
        ProfileMatch::Found {
            kind: row.kind,
            environment: row.environment,
            kept,
        }
    }
}

/// What the table says about a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProfileMatch {
    /// No row has one of its policies, or it is a CA.
    Unsupported,
    Found {
        kind: CertificateKind,
        environment: Environment,
        /// Whether everything else is as the row says.
        kept: bool,
    },
}

impl Profile {
    fn is_kept_by(&self, certificate: &Certificate) -> bool {
        certificate.key_usage() == Some(self.key_usage)
            && certificate.ext_key_usage() == self.ext_key_usage.as_slice()
            && certificate.has_critical_usage_and_policies()
            && !certificate.has_unknown_critical()
            && certificate.authority_key_id().is_some()
    }
}

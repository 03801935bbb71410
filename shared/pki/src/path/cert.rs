//! A certificate as the path validator sees it: slices of the input, every extension decoded.

use crate::{
    algorithm::{self, SignatureAlgorithm},
    certificate::ParseError,
    der::DerError,
    extension::{
        self, BasicConstraints, DistributionPoint, GeneralName, KeyUsage, Mapping, Policies,
        PolicyConstraints,
    },
    hash,
    key::{KeyError, PublicKey},
    name::CanonicalName,
    oid::ce,
    path::{PathAlgorithms, constraints::NameConstraints},
    view::View,
};

/// How a certificate or list was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Current(SignatureAlgorithm),
    /// RSA or ECDSA over SHA-1.
    Sha1,
    /// Anything else.
    Refused,
}

impl Scheme {
    const SHA1: [&'static [u8]; 2] = [
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5],
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1],
    ];

    pub(crate) fn read(raw: &[u8]) -> Self {
        if let Ok(current) = SignatureAlgorithm::from_der(raw) {
            return Self::Current(current);
        }
        match algorithm::identifier(raw) {
            Ok((oid, _)) if Self::SHA1.contains(&oid) => Self::Sha1,
            _ => Self::Refused,
        }
    }

    /// Whether it is one of these.
    pub(crate) fn is_among(self, algorithms: PathAlgorithms) -> bool {
        match self {
            Self::Current(_) => true,
            Self::Sha1 => algorithms == PathAlgorithms::Legacy,
            Self::Refused => false,
        }
    }

    /// Whether `key` made `signature` over `message`.
    pub(crate) fn verifies(self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Current(algorithm) => key.verify(algorithm, message, signature).is_ok(),
            Self::Sha1 => key.verify_sha1(message, signature).is_ok(),
            Self::Refused => false,
        }
    }
}

/// The extensions that path validation reads.
#[derive(Default)]
pub(crate) struct Extensions<'a> {
    pub(crate) key_usage: Option<KeyUsage>,
    pub(crate) basic: Option<BasicConstraints>,
    pub(crate) policies: Option<Policies<'a>>,
    pub(crate) mappings: Vec<Mapping<'a>>,
    pub(crate) policy_constraints: Option<PolicyConstraints>,
    pub(crate) inhibit_any: Option<u32>,
    pub(crate) names: Option<NameConstraints<'a>>,
    pub(crate) purposes: Option<Vec<&'a [u8]>>,
    pub(crate) authority_key_id: Option<&'a [u8]>,
    pub(crate) subject_key_id: Option<&'a [u8]>,
    pub(crate) points: Vec<DistributionPoint<'a>>,
    pub(crate) alt_names: Vec<GeneralName<'a>>,
    alt_names_critical: bool,
    /// A critical extension, or a critical qualifier, that is not processed here.
    pub(crate) unknown_critical: bool,
}

/// A certificate.
pub(crate) struct Node<'a> {
    pub(crate) view: View<'a>,
    pub(crate) sha256: [u8; 32],
    pub(crate) issuer: CanonicalName,
    pub(crate) subject: CanonicalName,
    pub(crate) scheme: Scheme,
    pub(crate) key: Result<PublicKey, KeyError>,
    pub(crate) ext: Extensions<'a>,
}

impl<'a> Node<'a> {
    pub(crate) fn read(der: &'a [u8], rsa_min_bits: u32) -> Result<Self, ParseError> {
        Self::of(View::read(der)?, rsa_min_bits)
    }

    /// A certificate whose alternative names are of no use to anyone (that of an OCSP responder, found by its subject or key):
    /// they are not read, and may be as broken as they are in the field.
    pub(crate) fn read_without_alt_names(
        der: &'a [u8],
        rsa_min_bits: u32,
    ) -> Result<Self, ParseError> {
        let mut view = View::read(der)?;
        view.extensions
            .retain(|one| one.oid != ce::SUBJECT_ALT_NAME);
        Self::of(view, rsa_min_bits)
    }

    fn of(view: View<'a>, rsa_min_bits: u32) -> Result<Self, ParseError> {
        let issuer = CanonicalName::read(view.issuer)?;
        let subject = CanonicalName::read(view.subject)?;
        let ext = Extensions::read(&view)?;
        if issuer.is_empty() {
            return Err(DerError("an empty issuer").into());
        }
        let names_elsewhere = !ext.alt_names.is_empty() && ext.alt_names_critical;
        if subject.is_empty() && (ext.is_ca() || !names_elsewhere) {
            // RFC 5280 4.1.2.6.
            return Err(DerError("an empty subject without critical names").into());
        }
        Ok(Self {
            sha256: hash::sha256(view.der),
            issuer,
            subject,
            scheme: Scheme::read(view.signature_algorithm),
            key: PublicKey::from_spki_with_floor(view.spki, rsa_min_bits),
            ext,
            view,
        })
    }

    /// Same name in both places (RFC 5280 3.2): a key rollover or a root.
    pub(crate) fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    /// Whether the key usage, where there is one, has this bit.
    pub(crate) fn may(&self, usage: KeyUsage) -> bool {
        self.ext.key_usage.is_none_or(|has| has.contains(usage))
    }
}

impl<'a> Extensions<'a> {
    pub(crate) fn is_ca(&self) -> bool {
        self.basic.is_some_and(|basic| basic.ca)
    }

    fn read(view: &View<'a>) -> Result<Self, DerError> {
        let mut found = Self::default();
        for one in &view.extensions {
            let value = one.value;
            match one.oid {
                ce::KEY_USAGE => found.key_usage = Some(extension::key_usage(value)?),
                ce::BASIC_CONSTRAINTS => found.basic = Some(extension::basic_constraints(value)?),
                ce::CERTIFICATE_POLICIES => {
                    let policies = extension::policies(value)?;
                    // RFC 5280 4.2.1.4: critical and not understood in all its qualifiers.
                    found.unknown_critical |= one.critical && policies.foreign_qualifier;
                    found.policies = Some(policies);
                }
                ce::POLICY_MAPPINGS => found.mappings = extension::policy_mappings(value)?,
                ce::POLICY_CONSTRAINTS => {
                    found.policy_constraints = Some(extension::policy_constraints(value)?);
                }
                ce::INHIBIT_ANY_POLICY => {
                    found.inhibit_any = Some(extension::inhibit_any_policy(value)?);
                }
                ce::NAME_CONSTRAINTS => found.names = Some(NameConstraints::read(value)?),
                ce::EXT_KEY_USAGE => found.purposes = Some(extension::ext_key_usage(value)?),
                ce::CRL_DISTRIBUTION_POINTS => {
                    found.points = extension::distribution_points(value)?;
                }
                ce::SUBJECT_ALT_NAME => {
                    found.alt_names = extension::alt_name(value)?;
                    found.alt_names_critical = one.critical;
                }
                ce::ISSUER_ALT_NAME => {
                    // Read for shape; nothing is done with it, so critical is more than is honoured.
                    extension::alt_name(value)?;
                    found.unknown_critical |= one.critical;
                }
                ce::AUTHORITY_KEY_ID => {
                    found.authority_key_id = extension::authority_key_id(value)?.key_id;
                    // RFC 5280 4.2.1.1, 4.2.1.2: never critical.
                    found.unknown_critical |= one.critical;
                }
                ce::SUBJECT_KEY_ID => {
                    found.subject_key_id = Some(extension::subject_key_id(value)?);
                    found.unknown_critical |= one.critical;
                }
                _ => found.unknown_critical |= one.critical,
            }
        }
        Ok(found)
    }
}

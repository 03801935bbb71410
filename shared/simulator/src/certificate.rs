//! A certificate before and after it is signed (RFC 5280 4.1), whatever its profile.

use chrono::{DateTime, Utc};
use const_oid::ObjectIdentifier;

use crate::{
    der::{self, Der},
    keys::{HashAlgorithm, KeyError, SigningKey},
    oid,
};

/// An extension; the value is what stands inside extnValue.
#[derive(Clone)]
pub(crate) struct Extension {
    pub(crate) id: ObjectIdentifier,
    pub(crate) critical: bool,
    pub(crate) value: Der,
}

impl Extension {
    pub(crate) fn critical(id: ObjectIdentifier, value: Der) -> Self {
        Self {
            id,
            critical: true,
            value,
        }
    }

    pub(crate) fn plain(id: ObjectIdentifier, value: Der) -> Self {
        Self {
            id,
            critical: false,
            value,
        }
    }

    pub(crate) fn encoded(&self) -> Der {
        let mut parts = vec![der::oid(self.id)];
        if self.critical {
            parts.push(der::boolean_true());
        }
        parts.push(der::octet_string(&self.value));
        der::sequence(&parts)
    }
}

/// Everything of a certificate but its signature.
pub(crate) struct Template {
    pub(crate) serial: u64,
    pub(crate) signature_algorithm: ObjectIdentifier,
    pub(crate) issuer: Der,
    pub(crate) not_before: DateTime<Utc>,
    pub(crate) not_after: DateTime<Utc>,
    pub(crate) subject: Der,
    pub(crate) spki: Der,
    pub(crate) extensions: Vec<Extension>,
}

impl Template {
    /// TBSCertificate, version 3.
    pub(crate) fn tbs(&self) -> Der {
        let extensions: Vec<Der> = self.extensions.iter().map(Extension::encoded).collect();
        der::sequence(&[
            der::context(0, &[der::integer(2)]),
            der::integer(self.serial),
            algorithm(self.signature_algorithm),
            self.issuer.clone(),
            der::sequence(&[der::time(self.not_before), der::time(self.not_after)]),
            self.subject.clone(),
            self.spki.clone(),
            der::context(3, &[der::sequence(&extensions)]),
        ])
    }

    /// The certificate, signed with the issuer's key.
    pub(crate) fn signed(&self, issuer: &SigningKey) -> Result<Der, KeyError> {
        let tbs = self.tbs();
        let signature = if self.signature_algorithm == oid::SHA1_WITH_RSA {
            issuer.sign_sha1(&tbs)?
        } else {
            issuer.sign(HashAlgorithm::Sha256, &tbs)?
        };
        Ok(der::sequence(&[
            tbs,
            algorithm(self.signature_algorithm),
            der::bit_string(0, &signature),
        ]))
    }
}

/// AlgorithmIdentifier with the NULL that PKCS#1 algorithms carry.
pub(crate) fn algorithm(id: ObjectIdentifier) -> Der {
    der::sequence(&[der::oid(id), der::null()])
}

//! Who may answer for an issuer (RFC 6960 4.2.2.2).

use warikan_types::Timestamp;

use super::{
    OcspError,
    response::{ResponderId, Response, key_bits},
};
use crate::{
    extension::KeyUsage,
    hash,
    name::CanonicalName,
    path::{
        PathAlgorithms,
        cert::{Node, Scheme},
    },
};

/// id-kp-OCSPSigning.
const OCSP_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 9];

/// Finds the responder and checks its signature. The issuer's certificate is trusted; a delegate's must be signed
/// by the issuer's key, be for this purpose and be valid at `at`. Whether the delegate has been revoked is not asked:
/// issuers answer that by short lives and id-pkix-ocsp-nocheck.
pub(super) fn check(
    response: &Response<'_>,
    issuer: &Node<'_>,
    algorithms: PathAlgorithms,
    at: Timestamp,
) -> Result<(), OcspError> {
    let accepts = |scheme: Scheme| scheme.is_among(algorithms);
    if !accepts(response.scheme) {
        return Err(OcspError::Algorithm);
    }
    let Ok(issuer_key) = &issuer.key else {
        return Err(OcspError::Algorithm);
    };
    if is_named(&response.responder, issuer) && signed_by(response, issuer) {
        return Ok(());
    }
    let mut named = is_named(&response.responder, issuer);
    for der in &response.certificates {
        let Ok(delegate) = Node::read_without_alt_names(der, algorithms.rsa_min_bits()) else {
            continue;
        };
        if !is_named(&response.responder, &delegate) {
            continue;
        }
        named = true;
        let view = &delegate.view;
        let authorised = delegate.issuer == issuer.subject
            && delegate
                .ext
                .purposes
                .as_ref()
                .is_some_and(|purposes| purposes.contains(&OCSP_SIGNING))
            && delegate.may(KeyUsage::DIGITAL_SIGNATURE)
            && !delegate.ext.unknown_critical
            && (view.not_before..=view.not_after).contains(&at)
            && accepts(delegate.scheme)
            && delegate
                .scheme
                .verifies(issuer_key, view.tbs, view.signature);
        if authorised && signed_by(response, &delegate) {
            return Ok(());
        }
    }
    Err(if named {
        OcspError::Signature
    } else {
        OcspError::Unauthorised
    })
}

fn signed_by(response: &Response<'_>, signer: &Node<'_>) -> bool {
    signer.key.as_ref().is_ok_and(|key| {
        response
            .scheme
            .verifies(key, response.tbs, response.signature)
    })
}

fn is_named(id: &ResponderId<'_>, node: &Node<'_>) -> bool {
    match id {
        ResponderId::Name(raw) => CanonicalName::read(raw).is_ok_and(|name| name == node.subject),
        ResponderId::Key(digest) => {
            key_bits(node.view.spki).is_some_and(|key| hash::sha1(key) == *digest)
        }
    }
}

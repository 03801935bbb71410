//! The syntax of responses (RFC 6960 4.2.1).

use warikan_types::{RevocationReason, Timestamp};

use super::{Nonce, OcspError, OcspPolicy, about::Asked, reason_of};
use crate::{
    algorithm,
    der::{
        self, ENUMERATED, GENERALIZED_TIME, INTEGER, OCTET_STRING, OID, Reader, SEQUENCE,
        constructed,
    },
    hash,
    path::cert::{Node, Scheme},
    time,
    view::{self, Extension, SignedParts},
};

/// id-pkix-ocsp.
const BASIC: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1];
const NONCE: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 0x30, 1, 2];
/// Extensions that may be critical without changing what the response says: CRL references, archive cutoff,
/// extended revoke, certificate transparency.
const HARMLESS: [&[u8]; 4] = [
    &[0x2b, 6, 1, 5, 5, 7, 0x30, 1, 3],
    &[0x2b, 6, 1, 5, 5, 7, 0x30, 1, 6],
    &[0x2b, 6, 1, 5, 5, 7, 0x30, 1, 9],
    &[0x2b, 6, 1, 4, 1, 0xd6, 0x79, 2, 4, 5],
];
const SHA1: &[u8] = &[0x2b, 0x0e, 3, 2, 0x1a];
const SHA256: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];

/// More single responses than anyone asks for at once.
const MAX_SINGLES: usize = 1_000;
/// More certificates than a responder needs to name itself.
const MAX_CERTIFICATES: usize = 16;

/// `BasicOCSPResponse`.
pub(super) struct Response<'a> {
    pub(super) tbs: &'a [u8],
    pub(super) scheme: Scheme,
    pub(super) signature: &'a [u8],
    pub(super) certificates: Vec<&'a [u8]>,
    pub(super) responder: ResponderId<'a>,
    pub(super) produced_at: Timestamp,
    pub(super) singles: Vec<Single<'a>>,
    nonce: Option<&'a [u8]>,
}

/// Who says that it answers.
pub(super) enum ResponderId<'a> {
    /// The whole Name.
    Name(&'a [u8]),
    /// SHA-1 over the key's bits.
    Key(&'a [u8]),
}

/// `SingleResponse`.
pub(super) struct Single<'a> {
    hash: &'a [u8],
    name_hash: &'a [u8],
    key_hash: &'a [u8],
    serial: &'a [u8],
    pub(super) status: CertStatus,
    pub(super) this_update: Timestamp,
    pub(super) next_update: Option<Timestamp>,
}

/// `CertStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CertStatus {
    Good,
    Revoked {
        reason: RevocationReason,
        revoked_at: Timestamp,
    },
    Unknown,
}

impl<'a> Response<'a> {
    pub(super) fn read(der: &'a [u8]) -> Result<Self, OcspError> {
        let mut outer = Reader::only(der, SEQUENCE, "no response")?;
        let status = outer.expect(ENUMERATED, "no status")?.value;
        let bytes = outer.optional(constructed(0))?;
        outer.finish("octets after the response")?;
        let (status, bytes) = match (status, bytes) {
            ([0], Some(bytes)) => (0, bytes),
            ([code @ (1..=3 | 5 | 6)], None) => return Err(OcspError::Responder(*code)),
            _ => return Err(OcspError::Malformed),
        };
        debug_assert_eq!(status, 0);
        let mut bytes = Reader::only(bytes.value, SEQUENCE, "no response bytes")?;
        let kind = bytes.expect(OID, "a response without type")?.value;
        let basic = bytes
            .expect(OCTET_STRING, "a response without octets")?
            .value;
        bytes.finish("octets after the response bytes")?;
        if kind != BASIC {
            return Err(OcspError::Malformed);
        }
        Self::read_basic(basic)
    }

    fn read_basic(basic: &'a [u8]) -> Result<Self, OcspError> {
        let mut outer = Reader::only(basic, SEQUENCE, "no basic response")?;
        let parts = SignedParts::read_from(&mut outer)?;
        let mut certificates = Vec::new();
        if let Some(wrapped) = outer.optional(constructed(0))? {
            let mut list = Reader::only(wrapped.value, SEQUENCE, "no certificates")?;
            while !list.is_empty() {
                certificates.push(list.expect(SEQUENCE, "no certificate")?.raw);
            }
        }
        outer.finish("octets after the basic response")?;
        certificates.truncate(MAX_CERTIFICATES);
        let mut data = Reader::only(parts.tbs, SEQUENCE, "no response data")?;
        if let Some(version) = data.optional(constructed(0))? {
            let mut version = Reader::new(version.value);
            // v1 is the default and need not be written, but responders write it.
            if version
                .expect(INTEGER, "a version that is no INTEGER")?
                .value
                != [0]
            {
                return Err(OcspError::Malformed);
            }
            version.finish("octets after the version")?;
        }
        let responder = responder_id(&mut data)?;
        let produced = data.expect(GENERALIZED_TIME, "no producedAt")?;
        let mut response = Self {
            tbs: parts.tbs,
            scheme: Scheme::read(parts.algorithm),
            signature: parts.signature,
            certificates,
            responder,
            produced_at: time::generalized(produced.value)?,
            singles: singles(data.open(SEQUENCE, "no responses")?)?,
            nonce: None,
        };
        if let Some(wrapped) = data.optional(constructed(1))? {
            for one in view::extensions(wrapped.value)? {
                if one.oid == NONCE {
                    response.nonce = Some(nonce(&one)?);
                } else {
                    refuse_critical(&one)?;
                }
            }
        }
        data.finish("octets after the response data")?;
        Ok(response)
    }

    pub(super) fn check_nonce(&self, wanted: Nonce<'_>) -> Result<(), OcspError> {
        let fits = match (wanted, self.nonce) {
            (Nonce::NotSent, _) | (Nonce::Optional(_), None) => true,
            (Nonce::Optional(sent) | Nonce::Required(sent), Some(came)) => sent == came,
            (Nonce::Required(_), None) => false,
        };
        if fits { Ok(()) } else { Err(OcspError::Nonce) }
    }
}

fn responder_id<'a>(data: &mut Reader<'a>) -> Result<ResponderId<'a>, OcspError> {
    let id = data.any()?;
    let mut inner = Reader::new(id.value);
    let found = match id.tag {
        0xa1 => ResponderId::Name(inner.expect(SEQUENCE, "no responder name")?.raw),
        0xa2 => ResponderId::Key(inner.expect(OCTET_STRING, "no responder key")?.value),
        _ => return Err(OcspError::Malformed),
    };
    inner.finish("octets after the responder")?;
    Ok(found)
}

/// Content of the nonce; RFC 8954 wraps it in an OCTET STRING, early responders did not.
fn nonce<'a>(one: &Extension<'a>) -> Result<&'a [u8], OcspError> {
    let mut reader = Reader::new(one.value);
    match reader.expect(OCTET_STRING, "a bare nonce") {
        Ok(inner) if reader.is_empty() => Ok(inner.value),
        _ => Ok(one.value),
    }
}

fn refuse_critical(one: &Extension<'_>) -> Result<(), OcspError> {
    if one.critical && !HARMLESS.contains(&one.oid) {
        return Err(OcspError::UnknownCritical);
    }
    Ok(())
}

fn singles(mut list: Reader<'_>) -> Result<Vec<Single<'_>>, OcspError> {
    let mut found = Vec::new();
    while !list.is_empty() {
        if found.len() == MAX_SINGLES {
            return Err(OcspError::Malformed);
        }
        found.push(Single::read(&mut list)?);
    }
    Ok(found)
}

impl<'a> Single<'a> {
    fn read(list: &mut Reader<'a>) -> Result<Self, OcspError> {
        let mut one = list.open(SEQUENCE, "no single response")?;
        let mut id = one.open(SEQUENCE, "no certificate id")?;
        let (hash, _) = algorithm::identifier(id.expect(SEQUENCE, "no hash")?.raw)?;
        let name_hash = id.expect(OCTET_STRING, "no name hash")?.value;
        let key_hash = id.expect(OCTET_STRING, "no key hash")?.value;
        let serial = der::integer(id.expect(INTEGER, "no serial number")?.value)?;
        id.finish("octets after the certificate id")?;
        let status = cert_status(&mut one)?;
        let this_update = time::generalized(one.expect(GENERALIZED_TIME, "no thisUpdate")?.value)?;
        let next_update = match one.optional(constructed(0))? {
            Some(wrapped) => {
                let mut inner = Reader::new(wrapped.value);
                let at = inner.expect(GENERALIZED_TIME, "no nextUpdate")?;
                inner.finish("octets after nextUpdate")?;
                Some(time::generalized(at.value)?)
            }
            None => None,
        };
        if let Some(wrapped) = one.optional(constructed(1))? {
            for extension in view::extensions(wrapped.value)? {
                refuse_critical(&extension)?;
            }
        }
        one.finish("octets after a single response")?;
        Ok(Self {
            hash,
            name_hash,
            key_hash,
            serial,
            status,
            this_update,
            next_update,
        })
    }

    pub(super) fn is_about(&self, asked: &Asked<'_>, issuer: &Node<'_>) -> bool {
        let Some(key) = key_bits(issuer.view.spki) else {
            return false;
        };
        let name = asked.name;
        let hashes = match self.hash {
            SHA1 => (hash::sha1(name).to_vec(), hash::sha1(key).to_vec()),
            SHA256 => (hash::sha256(name).to_vec(), hash::sha256(key).to_vec()),
            _ => return false,
        };
        *self.serial == *asked.serial && self.name_hash == hashes.0 && self.key_hash == hashes.1
    }

    pub(super) fn is_current(&self, policy: &OcspPolicy<'_>, at: Timestamp) -> bool {
        let too_old = policy
            .max_age
            .is_some_and(|max| at.since(self.this_update) > max);
        let ended = self.next_update.is_some_and(|next| at > next);
        let inverted = self.next_update.is_some_and(|next| next < self.this_update);
        let unbounded = policy.max_age.is_none() && self.next_update.is_none();
        let ahead = self.this_update > at.plus(policy.clock_skew);
        !(too_old || ended || inverted || unbounded || ahead)
    }
}

fn cert_status(one: &mut Reader<'_>) -> Result<CertStatus, OcspError> {
    let status = one.any()?;
    match status.tag {
        0x80 if status.value.is_empty() => Ok(CertStatus::Good),
        0x82 if status.value.is_empty() => Ok(CertStatus::Unknown),
        0xa1 => {
            let mut info = Reader::new(status.value);
            let at = info.expect(GENERALIZED_TIME, "no revocation time")?;
            let code = match info.optional(constructed(0))? {
                Some(wrapped) => {
                    let mut inner = Reader::new(wrapped.value);
                    let code = inner.expect(ENUMERATED, "no reason")?;
                    inner.finish("octets after the reason")?;
                    let code = u8::try_from(der::small(code.value)?);
                    Some(code.map_err(|_| OcspError::Malformed)?)
                }
                None => None,
            };
            info.finish("octets after the revocation")?;
            Ok(CertStatus::Revoked {
                reason: reason_of(code),
                revoked_at: time::generalized(at.value)?,
            })
        }
        _ => Err(OcspError::Malformed),
    }
}

/// The octets of the BIT STRING of a SubjectPublicKeyInfo: what key hashes are over (RFC 6960 4.1.1).
pub(super) fn key_bits(spki: &[u8]) -> Option<&[u8]> {
    let mut outer = Reader::only(spki, SEQUENCE, "a key").ok()?;
    outer.expect(SEQUENCE, "an algorithm").ok()?;
    let bits = outer.expect(der::BIT_STRING, "bits").ok()?;
    der::octet_bits(bits.value).ok()
}

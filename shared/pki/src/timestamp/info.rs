//! `TSTInfo` (RFC 3161 2.4.2).

use warikan_types::Timestamp;

use super::{TimestampError, TimestampRequest};
use crate::{
    algorithm::{self, DigestAlgorithm},
    der::{
        self, BOOLEAN, DerError, GENERALIZED_TIME, INTEGER, NULL, OCTET_STRING, OID, Reader,
        SEQUENCE, constructed,
    },
    time, view,
};

/// SHA-2 by the content of the OID.
const HASHES: [(&[u8], DigestAlgorithm); 3] = [
    (
        &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1],
        DigestAlgorithm::Sha256,
    ),
    (
        &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2],
        DigestAlgorithm::Sha384,
    ),
    (
        &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3],
        DigestAlgorithm::Sha512,
    ),
];

/// The hash of an AlgorithmIdentifier; parameters NULL or absent (RFC 5754 2).
pub(super) fn hash_algorithm(raw: &[u8]) -> Result<DigestAlgorithm, TimestampError> {
    let (oid, parameters) = algorithm::identifier(raw)?;
    if parameters.is_some_and(|raw| raw != [NULL, 0]) {
        return Err(TimestampError::Malformed);
    }
    HASHES
        .iter()
        .find(|(known, _)| *known == oid)
        .map(|(_, hash)| *hash)
        .ok_or(TimestampError::Algorithm)
}

pub(super) struct TstInfo<'a> {
    pub(super) policy: &'a [u8],
    hash: Result<DigestAlgorithm, TimestampError>,
    digest: &'a [u8],
    pub(super) generated_at: Timestamp,
    nonce: Option<&'a [u8]>,
}

impl<'a> TstInfo<'a> {
    pub(super) fn read(content: &'a [u8]) -> Result<Self, TimestampError> {
        let mut info = Reader::only(content, SEQUENCE, "no TSTInfo")?;
        if info.expect(INTEGER, "no version")?.value != [1] {
            return Err(TimestampError::Malformed);
        }
        let policy = der::oid(info.expect(OID, "no policy")?.value)?;
        let mut imprint = info.open(SEQUENCE, "no imprint")?;
        let hash = hash_algorithm(imprint.expect(SEQUENCE, "no hash")?.raw);
        let digest = imprint.expect(OCTET_STRING, "no digest")?.value;
        imprint.finish("octets after the imprint")?;
        der::integer(info.expect(INTEGER, "no serial number")?.value)?;
        let generated_at = generated_at(info.expect(GENERALIZED_TIME, "no time")?.value)?;
        if let Some(accuracy) = info.optional(SEQUENCE)? {
            let mut accuracy = Reader::new(accuracy.value);
            while !accuracy.is_empty() {
                accuracy.any()?;
            }
        }
        if let Some(ordering) = info.optional(BOOLEAN)? {
            der::boolean(ordering.value)?;
        }
        let nonce = info
            .optional(INTEGER)?
            .map(|one| der::unsigned(one.value))
            .transpose()?;
        info.optional(constructed(0))?;
        if let Some(extensions) = info.optional(constructed(1))? {
            // IMPLICIT: the tag stands in place of that of the SEQUENCE.
            let mut list = Reader::new(extensions.value);
            while !list.is_empty() {
                if view::extension(&mut list)?.critical {
                    return Err(TimestampError::UnknownCritical);
                }
            }
        }
        info.finish("octets after the TSTInfo")?;
        Ok(Self {
            policy,
            hash,
            digest,
            generated_at,
            nonce,
        })
    }

    /// Holds the token against what was asked for.
    pub(super) fn check(&self, request: &TimestampRequest<'_>) -> Result<(), TimestampError> {
        if self.hash? != request.algorithm
            || self.digest != request.digest
            || self.digest.len() != request.algorithm.length()
        {
            return Err(TimestampError::Imprint);
        }
        let sent = request.nonce.map(|octets| {
            let zeros = octets.iter().take_while(|octet| **octet == 0).count();
            &octets[zeros..]
        });
        if sent.is_some() && self.nonce != sent {
            return Err(TimestampError::Nonce);
        }
        if request
            .policy
            .is_some_and(|wanted| wanted.content() != self.policy)
        {
            return Err(TimestampError::Policy);
        }
        Ok(())
    }
}

/// `YYYYMMDDhhmmss[.f..]Z`; a fraction does not end in zero.
fn generated_at(content: &[u8]) -> Result<Timestamp, DerError> {
    const WRONG: DerError = DerError("a time that RFC 3161 does not allow");
    let Some(point) = content.iter().position(|octet| *octet == b'.') else {
        return time::generalized(content);
    };
    let fraction = content[point + 1..].strip_suffix(b"Z").ok_or(WRONG)?;
    if fraction.is_empty()
        || fraction.last() == Some(&b'0')
        || !fraction.iter().all(u8::is_ascii_digit)
    {
        return Err(WRONG);
    }
    let whole = time::generalized(&[&content[..point], b"Z"].concat())?;
    let micros = (0..6).fold(0_u64, |sum, place| {
        let digit = fraction.get(place).map_or(0, |digit| digit - b'0');
        sum * 10 + u64::from(digit)
    });
    Ok(whole.plus(std::time::Duration::from_micros(micros)))
}

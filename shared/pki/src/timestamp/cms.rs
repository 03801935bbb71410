//! As much of CMS (RFC 5652) as a timestamp token uses: one signer, signed attributes, certificates.

use super::{TimestampError, info::hash_algorithm};
use crate::{
    algorithm::{self, DigestAlgorithm, SignatureAlgorithm},
    der::{
        self, DerError, INTEGER, OCTET_STRING, OID, Reader, SEQUENCE, SET, constructed, context,
    },
    extension::GeneralName,
    hash,
    key::KeyKind,
    name::CanonicalName,
    path::{
        PathAlgorithms,
        cert::{Node, Scheme},
    },
    view::View,
};

const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
const TST_INFO: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 1, 4];
const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 3];
const MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 4];
const SIGNING_CERTIFICATE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 2, 12];
const SIGNING_CERTIFICATE_V2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 2, 47];
/// More certificates than a token carries.
const MAX_CERTIFICATES: usize = 32;

/// `SignedData` over a TSTInfo.
pub(super) struct SignedData<'a> {
    /// The octets of the TSTInfo.
    pub(super) content: &'a [u8],
    pub(super) certificates: Vec<&'a [u8]>,
    signer: SignerInfo<'a>,
}

struct SignerInfo<'a> {
    id: SignerId<'a>,
    digest: DigestAlgorithm,
    /// The signed attributes, whole.
    attributes: &'a [u8],
    /// Whole AlgorithmIdentifier.
    algorithm: &'a [u8],
    signature: &'a [u8],
}

enum SignerId<'a> {
    /// Whole Name, content of the serial number.
    IssuerAndSerial(&'a [u8], &'a [u8]),
    KeyId(&'a [u8]),
}

impl<'a> SignedData<'a> {
    pub(super) fn read(token: &'a [u8]) -> Result<Self, TimestampError> {
        let mut outer = Reader::only(token, SEQUENCE, "no ContentInfo")?;
        if outer.expect(OID, "no content type")?.value != SIGNED_DATA {
            return Err(TimestampError::Malformed);
        }
        let wrapped = outer.expect(constructed(0), "no content")?;
        outer.finish("octets after the ContentInfo")?;
        let mut data = Reader::only(wrapped.value, SEQUENCE, "no SignedData")?;
        data.expect(INTEGER, "no version")?;
        data.expect(SET, "no digest algorithms")?;
        let mut content = data.open(SEQUENCE, "no encapsulated content")?;
        if content.expect(OID, "no content type")?.value != TST_INFO {
            return Err(TimestampError::Attributes);
        }
        let wrapped = content.expect(constructed(0), "no TSTInfo")?;
        content.finish("octets after the content")?;
        let mut inner = Reader::new(wrapped.value);
        let octets = inner.expect(OCTET_STRING, "no octets")?.value;
        inner.finish("octets after the octets")?;
        let certificates = certificates(data.optional(constructed(0))?)?;
        data.optional(constructed(1))?;
        let mut signers = data.open(SET, "no signers")?;
        data.finish("octets after the SignedData")?;
        let signer = SignerInfo::read(&mut signers)?;
        // RFC 3161 2.4.2: the token has no signature but that of the authority.
        signers.finish("a second signer")?;
        Ok(Self {
            content: octets,
            certificates,
            signer,
        })
    }

    /// The certificate that the signer names.
    pub(super) fn signer_certificate(&self) -> Result<&'a [u8], TimestampError> {
        self.certificates
            .iter()
            .copied()
            .find(|der| View::read(der).is_ok_and(|view| self.signer.is_named(&view)))
            .ok_or(TimestampError::Signer)
    }

    /// The signed attributes fit content and signer, and the signature is over them.
    pub(super) fn check_signature(
        &self,
        signer: &Node<'_>,
        algorithms: PathAlgorithms,
    ) -> Result<(), TimestampError> {
        let info = &self.signer;
        let attributes = Attributes::read(info.attributes)?;
        attributes.check(info.digest, self.content)?;
        attributes.check_certificate(signer)?;
        let Ok(key) = &signer.key else {
            return Err(TimestampError::Algorithm);
        };
        let scheme = match Scheme::read(info.algorithm) {
            Scheme::Refused => bare_key_algorithm(info.algorithm, key.kind(), info.digest)?,
            // RFC 5652 5.4: both digests are one.
            Scheme::Current(algorithm) if algorithm.digest() != Some(info.digest) => {
                return Err(TimestampError::Algorithm);
            }
            scheme => scheme,
        };
        if scheme == Scheme::Sha1 && algorithms == PathAlgorithms::Current {
            return Err(TimestampError::Algorithm);
        }
        // What is signed is the SET, not the implicit tag that stands in the token (RFC 5652 5.4).
        let mut signed = info.attributes.to_vec();
        signed[0] = SET;
        if scheme.verifies(key, &signed, info.signature) {
            Ok(())
        } else {
            Err(TimestampError::Signature)
        }
    }
}

fn certificates(wrapped: Option<der::Tlv<'_>>) -> Result<Vec<&[u8]>, TimestampError> {
    let mut found = Vec::new();
    if let Some(wrapped) = wrapped {
        let mut list = Reader::new(wrapped.value);
        while !list.is_empty() {
            let one = list.any()?;
            if found.len() == MAX_CERTIFICATES {
                return Err(TimestampError::Malformed);
            }
            if one.tag == SEQUENCE {
                found.push(one.raw);
            }
        }
    }
    Ok(found)
}

/// Many authorities write the key's algorithm (rsaEncryption) where the signature's belongs.
fn bare_key_algorithm(
    raw: &[u8],
    key: KeyKind,
    digest: DigestAlgorithm,
) -> Result<Scheme, TimestampError> {
    let (oid, _) = algorithm::identifier(raw)?;
    match key {
        KeyKind::Rsa { .. } if oid == crate::oid::RSA => {
            Ok(Scheme::Current(SignatureAlgorithm::RsaPkcs1(digest)))
        }
        _ => Err(TimestampError::Algorithm),
    }
}

impl<'a> SignerInfo<'a> {
    fn read(signers: &mut Reader<'a>) -> Result<Self, TimestampError> {
        let mut info = signers.open(SEQUENCE, "no SignerInfo")?;
        info.expect(INTEGER, "no version")?;
        let id = match info.peek() {
            Some(SEQUENCE) => {
                let mut id = info.open(SEQUENCE, "no issuer and serial")?;
                let issuer = id.expect(SEQUENCE, "no issuer")?.raw;
                let serial = der::integer(id.expect(INTEGER, "no serial")?.value)?;
                id.finish("octets after the serial")?;
                SignerId::IssuerAndSerial(issuer, serial)
            }
            _ => SignerId::KeyId(info.expect(context(0), "no signer id")?.value),
        };
        let digest = hash_algorithm(info.expect(SEQUENCE, "no digest algorithm")?.raw)?;
        // RFC 5652 5.3: with a content that is not id-data there must be signed attributes.
        let attributes = info
            .optional(constructed(0))?
            .ok_or(TimestampError::Attributes)?
            .raw;
        let algorithm = info.expect(SEQUENCE, "no signature algorithm")?.raw;
        let signature = info.expect(OCTET_STRING, "no signature")?.value;
        info.optional(constructed(1))?;
        info.finish("octets after the SignerInfo")?;
        Ok(Self {
            id,
            digest,
            attributes,
            algorithm,
            signature,
        })
    }

    fn is_named(&self, view: &View<'_>) -> bool {
        match &self.id {
            SignerId::IssuerAndSerial(issuer, serial) => {
                *serial == view.serial && same_name(issuer, view.issuer)
            }
            SignerId::KeyId(id) => view
                .extension(crate::oid::ce::SUBJECT_KEY_ID)
                .and_then(|one| crate::extension::subject_key_id(one.value).ok())
                .is_some_and(|has| has == *id),
        }
    }
}

fn same_name(one: &[u8], other: &[u8]) -> bool {
    one == other
        || matches!(
            (CanonicalName::read(one), CanonicalName::read(other)),
            (Ok(one), Ok(other)) if one == other
        )
}

/// The signed attributes that count; each value is the one element of its SET.
#[derive(Default)]
struct Attributes<'a> {
    content_type: Option<&'a [u8]>,
    message_digest: Option<&'a [u8]>,
    certificate: Option<&'a [u8]>,
    certificate_v2: Option<&'a [u8]>,
}

impl<'a> Attributes<'a> {
    fn read(raw: &'a [u8]) -> Result<Self, TimestampError> {
        let mut list = Reader::only(raw, constructed(0), "no attributes")?;
        let mut found = Self::default();
        while !list.is_empty() {
            let mut one = list.open(SEQUENCE, "no attribute")?;
            let kind = one.expect(OID, "no attribute type")?.value;
            let mut values = one.open(SET, "no attribute values")?;
            one.finish("octets after an attribute")?;
            let slot = match kind {
                CONTENT_TYPE => &mut found.content_type,
                MESSAGE_DIGEST => &mut found.message_digest,
                SIGNING_CERTIFICATE => &mut found.certificate,
                SIGNING_CERTIFICATE_V2 => &mut found.certificate_v2,
                _ => continue,
            };
            let value = values.any()?;
            values.finish("a second value")?;
            if slot.replace(value.raw).is_some() {
                return Err(TimestampError::Attributes);
            }
        }
        Ok(found)
    }

    fn check(&self, hash: DigestAlgorithm, content: &[u8]) -> Result<(), TimestampError> {
        let element = |raw: Option<&'a [u8]>, tag| -> Result<&'a [u8], TimestampError> {
            let mut reader = Reader::new(raw.ok_or(TimestampError::Attributes)?);
            Ok(reader.expect(tag, "an attribute of another type")?.value)
        };
        let digest = element(self.message_digest, OCTET_STRING)?;
        if element(self.content_type, OID)? == TST_INFO && digest == hash.digest(content) {
            Ok(())
        } else {
            Err(TimestampError::Attributes)
        }
    }

    /// RFC 2634 5.4, RFC 5035 3: the first certificate that is named is the signer's. Where both forms are there, both
    /// must fit.
    fn check_certificate(&self, signer: &Node<'_>) -> Result<(), TimestampError> {
        if self.certificate.is_none() && self.certificate_v2.is_none() {
            return Err(TimestampError::Attributes);
        }
        for (raw, second) in [(self.certificate, false), (self.certificate_v2, true)] {
            if let Some(raw) = raw
                && !names_signer(raw, second, signer)?
            {
                return Err(TimestampError::Signer);
            }
        }
        Ok(())
    }
}

fn names_signer(raw: &[u8], second: bool, signer: &Node<'_>) -> Result<bool, TimestampError> {
    let mut outer = Reader::only(raw, SEQUENCE, "no signing certificate")?;
    let mut list = outer.open(SEQUENCE, "no certificate ids")?;
    let mut id = list.open(SEQUENCE, "no certificate id")?;
    let digest = match id.optional(SEQUENCE)? {
        Some(_) if !second => return Err(TimestampError::Malformed),
        Some(algorithm) => hash_algorithm(algorithm.raw)?.digest(signer.view.der),
        None if second => hash::sha256(signer.view.der).to_vec(),
        None => hash::sha1(signer.view.der).to_vec(),
    };
    let fits = id.expect(OCTET_STRING, "no certificate hash")?.value == digest;
    let Some(issuer_serial) = id.optional(SEQUENCE)? else {
        return Ok(fits);
    };
    let mut inner = Reader::new(issuer_serial.value);
    let issuer = inner.expect(SEQUENCE, "no issuer names")?.value;
    let serial = inner.expect(INTEGER, "no serial")?.value;
    Ok(fits && serial == signer.view.serial && names_issuer(issuer, signer)?)
}

fn names_issuer(names: &[u8], signer: &Node<'_>) -> Result<bool, DerError> {
    let names = crate::extension::general_names(names)?;
    Ok(names.iter().any(
        |name| matches!(name, GeneralName::Directory(raw) if same_name(raw, signer.view.issuer)),
    ))
}

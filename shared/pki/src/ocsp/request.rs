//! A request about one certificate (RFC 6960 4.1.1).

use super::{
    OcspError,
    about::{Asked, OcspSubject},
    response::key_bits,
};
use crate::{
    anchor::TrustAnchor,
    der::{INTEGER, OCTET_STRING, OID, SEQUENCE, constructed},
    hash,
    path::{PathAlgorithms, cert::Node},
};

const SHA1: &[u8] = &[0x2b, 0x0e, 3, 2, 0x1a];
const SHA256: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
/// id-pkix-ocsp-nonce.
const NONCE: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 0x30, 1, 2];
const NULL: [u8; 2] = [5, 0];

/// The hash in the CertID. It only names the certificate among those of one issuer; nothing rests on its strength.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertIdHash {
    /// What every responder understands.
    Sha1,
    /// For responders that refuse SHA-1.
    Sha256,
}

/// Writes a request about a certificate of `issuer`, with this nonce where there is one (RFC 8954: 1 to 32 octets).
///
/// # Errors
/// [`OcspError::Certificate`]: the certificate or its issuer cannot be read.
pub fn ocsp_request(
    subject: OcspSubject<'_>,
    issuer: &TrustAnchor,
    hash: CertIdHash,
    nonce: Option<&[u8]>,
) -> Result<Vec<u8>, OcspError> {
    let floor = PathAlgorithms::Current.rsa_min_bits();
    let read = |der| Node::read(der, floor).map_err(|_| OcspError::Certificate);
    let issuer = read(issuer.certificate().der())?;
    let asked = match subject {
        OcspSubject::Certificate(certificate) => Asked::of_certificate(&read(certificate.der())?),
        OcspSubject::Serial(serial) => Asked::of_serial(serial, &issuer),
    };
    let key = key_bits(issuer.view.spki).ok_or(OcspError::Certificate)?;
    let name = asked.name;
    let (oid, name_hash, key_hash) = match hash {
        CertIdHash::Sha1 => (SHA1, hash::sha1(name).to_vec(), hash::sha1(key).to_vec()),
        CertIdHash::Sha256 => (
            SHA256,
            hash::sha256(name).to_vec(),
            hash::sha256(key).to_vec(),
        ),
    };
    let id = write(
        SEQUENCE,
        &[
            write(SEQUENCE, &[write(OID, &[oid.to_vec()]), NULL.to_vec()]),
            write(OCTET_STRING, &[name_hash]),
            write(OCTET_STRING, &[key_hash]),
            write(INTEGER, &[asked.serial.to_vec()]),
        ],
    );
    let list = write(SEQUENCE, &[write(SEQUENCE, &[id])]);
    let mut parts = vec![list];
    if let Some(nonce) = nonce {
        let value = write(OCTET_STRING, &[write(OCTET_STRING, &[nonce.to_vec()])]);
        let extension = write(SEQUENCE, &[write(OID, &[NONCE.to_vec()]), value]);
        let extensions = write(SEQUENCE, &[extension]);
        parts.push(write(constructed(2), &[extensions]));
    }
    Ok(write(SEQUENCE, &[write(SEQUENCE, &parts)]))
}

/// DER of short things: a request has some hundred octets.
fn write(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len().to_be_bytes();
    let significant = length.iter().position(|octet| *octet != 0).unwrap_or(7);
    let length = &length[significant..];
    let mut out = vec![tag];
    if content.len() >= 0x80 {
        // At most eight octets of length.
        out.push(0x80 | u8::try_from(length.len()).unwrap_or(8));
    }
    out.extend_from_slice(length);
    out.extend(content);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_der() {
        for (count, head) in [
            (0, vec![0x30, 0]),
            (127, vec![0x30, 127]),
            (128, vec![0x30, 0x81, 128]),
            (256, vec![0x30, 0x82, 1, 0]),
        ] {
            let written = write(SEQUENCE, &[vec![0; count]]);
            assert!(written.starts_with(&head), "{count}");
            assert_eq!(written.len(), head.len() + count);
        }
    }
}

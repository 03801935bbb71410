//! The OCSP responder (RFC 6960).
//!
//! It answers from the live state, so a loss reported a second ago is told at once, and says that its answer holds for fifteen
//! minutes, the freshness J-LIS names. CertIDs of SHA-1 and SHA-256 are understood; a nonce is given back. Each CA
//! generation has a delegated responder certificate; the one of the first certificate asked for signs the answer.

use ::der::{Decode, Encode};
use chrono::{DateTime, Duration, Utc};
use sha1::{Digest, Sha1};
use sha2::Sha256;
use x509_ocsp::{CertId, OcspRequest};

use crate::{
    Simulator,
    authority::Generation,
    calendar,
    certificate::{Extension, algorithm},
    der::{self, Der},
    keys::{HashAlgorithm, KeyError},
    oid,
};

/// nextUpdate minus thisUpdate.
const FRESHNESS: Duration = Duration::minutes(15);
/// More certificates in one request are refused.
const MOST_CERTIFICATES: usize = 64;
/// The longest nonce (RFC 9654 2.1).
const LONGEST_NONCE: usize = 128;

/// OCSPResponseStatus of answers without a body (RFC 6960 4.2.1).
#[derive(Clone, Copy)]
enum Refusal {
    MalformedRequest = 1,
    InternalError = 2,
    Unauthorized = 6,
}

impl Simulator {
    /// Answers an OCSPRequest with an OCSPResponse, both DER: good, revoked or unknown for each certificate; `unauthorized` if none
    /// of them names a CA of this hierarchy, `malformedRequest` for what is no request.
    #[must_use]
    pub fn ocsp(&self, request: &[u8], at: DateTime<Utc>) -> Vec<u8> {
        self.answer(request, calendar::whole_seconds(at))
            .unwrap_or_else(|refusal| der::sequence(&[der::enumerated(refusal as u8)]))
    }

    fn answer(&self, request: &[u8], at: DateTime<Utc>) -> Result<Der, Refusal> {
        let request = OcspRequest::from_der(request).map_err(|_| Refusal::MalformedRequest)?;
        let asked = &request.tbs_request.request_list;
        if asked.is_empty() || asked.len() > MOST_CERTIFICATES {
            return Err(Refusal::MalformedRequest);
        }
        let nonce = nonce(&request)?;
        let found: Vec<(&CertId, Option<&Generation>)> = asked
            .iter()
            .map(|one| (&one.req_cert, self.generation_of(&one.req_cert)))
            .collect();
        let responder = found
            .iter()
            .find_map(|(_, generation)| *generation)
            .ok_or(Refusal::Unauthorized)?;
        let mut singles = Vec::with_capacity(found.len());
        for (id, generation) in found {
            let id_der = id.to_der().map_err(|_| Refusal::MalformedRequest)?;
            singles.push(der::sequence(&[
                id_der,
                self.status(id, generation, at),
                der::generalized_time(at),
                der::context(0, &[der::generalized_time(at + FRESHNESS)]),
            ]));
        }
        self.signed(responder, &singles, nonce, at)
            .map_err(|_| Refusal::InternalError)
    }

    /// The generation that a CertID names: by name *and* key, as all generations share the name.
    fn generation_of(&self, id: &CertId) -> Option<&Generation> {
        let algorithm = id.hash_algorithm.oid;
        self.generations().find(|one| {
            let name = one.issuer(self).name();
            let (name_hash, key_hash) = if algorithm == oid::SHA1 {
                (
                    Sha1::digest(&name).to_vec(),
                    one.key.key_identifier().to_vec(),
                )
            } else if algorithm == oid::SHA256 {
                (
                    Sha256::digest(&name).to_vec(),
                    one.key.key_hash_sha256().to_vec(),
                )
            } else {
                return false;
            };
            id.issuer_name_hash.as_bytes() == name_hash && id.issuer_key_hash.as_bytes() == key_hash
        })
    }

    /// CertStatus.
    fn status(&self, id: &CertId, generation: Option<&Generation>, at: DateTime<Utc>) -> Der {
        let certificate = generation.and_then(|generation| {
            let serial = serial(id.serial_number.as_bytes())?;
            self.certificate(generation.record.choice, serial)
                .filter(|one| one.generation == generation.record.generation)
        });
        match certificate {
            None => der::context_primitive(2, &[]),
            Some(certificate) => match certificate.revocation.filter(|one| one.at <= at) {
                None => der::context_primitive(0, &[]),
                Some(revocation) => {
                    let mut parts = vec![der::generalized_time(revocation.at)];
                    let code = revocation.reason.code();
                    if code != 0 {
                        parts.push(der::context(0, &[der::enumerated(code)]));
                    }
                    der::context(1, &parts)
                }
            },
        }
    }

    /// OCSPResponse around a signed BasicOCSPResponse that carries the responder's certificate.
    fn signed(
        &self,
        generation: &Generation,
        singles: &[Der],
        nonce: Option<Vec<u8>>,
        at: DateTime<Utc>,
    ) -> Result<Der, KeyError> {
        let key = &self.responder_key;
        let mut parts = vec![
            der::context(2, &[der::octet_string(&key.key_identifier())]),
            der::generalized_time(at),
            der::sequence(singles),
        ];
        if let Some(nonce) = nonce {
            let extension = Extension::plain(oid::OCSP_NONCE, nonce);
            parts.push(der::context(1, &[der::sequence(&[extension.encoded()])]));
        }
        let tbs = der::sequence(&parts);
        let signature = key.sign(HashAlgorithm::Sha256, &tbs)?;
        let basic = der::sequence(&[
            tbs,
            algorithm(oid::SHA256_WITH_RSA),
            der::bit_string(0, &signature),
            der::context(0, &[der::sequence(&[&generation.record.responder])]),
        ]);
        let bytes = der::sequence(&[der::oid(oid::OCSP_BASIC), der::octet_string(&basic)]);
        Ok(der::sequence(&[
            der::enumerated(0),
            der::context(0, &[bytes]),
        ]))
    }
}

/// The nonce's extnValue as it came. An extension that must be understood and is not makes the request malformed.
fn nonce(request: &OcspRequest) -> Result<Option<Vec<u8>>, Refusal> {
    let mut found = None;
    for extension in request.tbs_request.request_extensions.iter().flatten() {
        if extension.extn_id == oid::OCSP_NONCE {
            let value = extension.extn_value.as_bytes();
            // The OCTET STRING's two or three octets of tag and length do not count.
            if value.is_empty() || value.len() > LONGEST_NONCE + 3 {
                return Err(Refusal::MalformedRequest);
            }
            found = Some(value.to_vec());
        } else if extension.critical {
            return Err(Refusal::MalformedRequest);
        }
    }
    Ok(found)
}

fn serial(octets: &[u8]) -> Option<u64> {
    let start = octets.iter().take_while(|octet| **octet == 0).count();
    let significant = &octets[start..];
    (significant.len() <= 8).then(|| {
        significant
            .iter()
            .fold(0, |sum, octet| (sum << 8) | u64::from(*octet))
    })
}

//! Whether a signature is good, by general-purpose crates alone.

use anyhow::{Context, ensure};
use rsa::{Pkcs1v15Sign, RsaPublicKey, pkcs8::DecodePublicKey};
use sha2::{Digest, Sha256};
use x509_cert::{
    Certificate,
    der::{Decode, Encode},
};

/// Who signed, as the database names it.
pub(super) struct Signer {
    pub(super) issuer: Vec<u8>,
    pub(super) serial: Vec<u8>,
}

/// Checks validity, issuer and signature.
pub(super) fn verify(
    certificate: &[u8],
    roots: &[Vec<u8>],
    digest: &[u8],
    signature: &[u8],
) -> anyhow::Result<Signer> {
    let leaf = Certificate::from_der(certificate)?;
    let body = &leaf.tbs_certificate;
    let now = std::time::SystemTime::now();
    ensure!(
        body.validity.not_before.to_system_time() <= now
            && now <= body.validity.not_after.to_system_time(),
        "not valid now"
    );
    let roots = roots
        .iter()
        .map(|root| Certificate::from_der(root))
        .collect::<Result<Vec<_>, _>>()?;
    let issued = Sha256::digest(body.to_der()?);
    let seal = leaf.signature.as_bytes().context("no signature")?;
    let issuer = roots
        .iter()
        .filter(|root| root.tbs_certificate.subject == body.issuer)
        .find(|root| is_signed(root, &issued, seal).unwrap_or(false))
        .context("no root signed it")?;
    ensure!(
        is_signed(&leaf, digest, signature)?,
        "the signature is wrong"
    );
    Ok(Signer {
        issuer: issuer.tbs_certificate.subject.to_der()?,
        serial: body.serial_number.as_bytes().to_vec(),
    })
}

fn is_signed(by: &Certificate, digest: &[u8], signature: &[u8]) -> anyhow::Result<bool> {
    let spki = by.tbs_certificate.subject_public_key_info.to_der()?;
    let key = RsaPublicKey::from_public_key_der(&spki)?;
    let scheme = Pkcs1v15Sign::new::<Sha256>();
    Ok(key.verify(scheme, digest, signature).is_ok())
}

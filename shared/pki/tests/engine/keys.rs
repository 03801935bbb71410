//! Keys of the tests, always the same ones.

use std::sync::LazyLock;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use rsa::{
    BigUint, Pkcs1v15Sign, RsaPrivateKey,
    traits::{PublicKeyParts, SignatureScheme},
};
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::der::{bits, int, oid, seq, tlv};

pub static CA: LazyLock<RsaPrivateKey> = LazyLock::new(|| rsa_key(1, 2048));
pub static OTHER_CA: LazyLock<RsaPrivateKey> = LazyLock::new(|| rsa_key(2, 2048));
pub static HOLDER: LazyLock<RsaPrivateKey> = LazyLock::new(|| rsa_key(3, 2048));
pub static SHORT: LazyLock<RsaPrivateKey> = LazyLock::new(|| rsa_key(4, 1024));
pub static EXPONENT_3: LazyLock<RsaPrivateKey> = LazyLock::new(|| {
    let mut random = ChaCha20Rng::seed_from_u64(5);
    RsaPrivateKey::new_with_exp(&mut random, 2048, &BigUint::from(3_u8)).unwrap()
});

/// Six CAs.
pub static CAS: LazyLock<Vec<RsaPrivateKey>> =
    LazyLock::new(|| (10..16).map(|seed| rsa_key(seed, 2048)).collect());

fn rsa_key(seed: u64, bits: usize) -> RsaPrivateKey {
    RsaPrivateKey::new(&mut ChaCha20Rng::seed_from_u64(seed), bits).unwrap()
}

pub fn positive(octets: &[u8]) -> Vec<u8> {
    if octets.first().is_none_or(|first| first & 0x80 != 0) {
        int(&[&[0], octets].concat())
    } else {
        int(octets)
    }
}

/// SubjectPublicKeyInfo of an RSA key.
pub fn spki(key: &RsaPrivateKey) -> Vec<u8> {
    spki_of(&key.n().to_bytes_be(), &key.e().to_bytes_be())
}

/// RSAPublicKey: what key hashes of OCSP are over.
pub fn rsa_public_key(key: &RsaPrivateKey) -> Vec<u8> {
    seq(&[
        positive(&key.n().to_bytes_be()),
        positive(&key.e().to_bytes_be()),
    ])
}

pub fn spki_of(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let key = seq(&[positive(modulus), positive(exponent)]);
    seq(&[
        seq(&[oid("1.2.840.113549.1.1.1"), tlv(5, &[])]),
        bits(0, &key),
    ])
}

/// How a test signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl How {
    pub fn algorithm(self) -> Vec<u8> {
        let arc = match self {
            Self::Sha1 => 5,
            Self::Sha256 => 11,
            Self::Sha384 => 12,
            Self::Sha512 => 13,
        };
        seq(&[oid(&format!("1.2.840.113549.1.1.{arc}")), tlv(5, &[])])
    }

    pub fn sign(self, key: &RsaPrivateKey, message: &[u8]) -> Vec<u8> {
        let (scheme, digest) = match self {
            Self::Sha1 => (
                Pkcs1v15Sign::new::<sha1::Sha1>(),
                sha1::Sha1::digest(message).to_vec(),
            ),
            Self::Sha256 => (
                Pkcs1v15Sign::new::<Sha256>(),
                Sha256::digest(message).to_vec(),
            ),
            Self::Sha384 => (
                Pkcs1v15Sign::new::<Sha384>(),
                Sha384::digest(message).to_vec(),
            ),
            Self::Sha512 => (
                Pkcs1v15Sign::new::<Sha512>(),
                Sha512::digest(message).to_vec(),
            ),
        };
        scheme.sign(None::<&mut ChaCha20Rng>, key, &digest).unwrap()
    }
}

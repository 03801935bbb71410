//! RSA keys: where they come from, and the little that is done with them.
//!
//! A [`SigningKey`] never leaves the crate except inside a [`KeyRecord`], the form in which a service stores it. Signing is
//! PKCS#1 v1.5 throughout and therefore deterministic: with fixed keys everything that the simulator signs is reproducible to
//! the byte.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    digest,
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
    signature::{
        KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaSignatureEncoding,
    },
};
use rsa::{Pkcs1v15Sign, RsaPrivateKey, pkcs1::EncodeRsaPublicKey, pkcs8::DecodePrivateKey};
use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};
use sha2::Sha256;

use crate::{
    der::{self, Der},
    oid,
};

/// A hash function that the card's software offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HashAlgorithm {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl HashAlgorithm {
    pub(crate) fn digest_algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }

    fn encoding(self) -> &'static RsaSignatureEncoding {
        match self {
            Self::Sha256 => &RSA_PKCS1_SHA256,
            Self::Sha384 => &RSA_PKCS1_SHA384,
            Self::Sha512 => &RSA_PKCS1_SHA512,
        }
    }

    /// Octets of its digests.
    #[must_use]
    pub fn digest_length(self) -> usize {
        self.digest_algorithm().output_len()
    }

    /// The digest of a message.
    #[must_use]
    pub fn digest(self, message: &[u8]) -> Vec<u8> {
        digest::digest(self.digest_algorithm(), message)
            .as_ref()
            .to_vec()
    }
}

/// What can go wrong with a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The bytes are not a PKCS#8 RSA key.
    #[error("not an RSA key in PKCS#8")]
    Malformed,
    /// The cryptographic library could not make a key.
    #[error("no key could be generated")]
    Generation,
    /// A pool without (enough) keys.
    #[error("the pool has too few keys")]
    PoolTooSmall,
    /// Signing failed: the input is too long for the modulus, or a digest has the wrong length.
    #[error("the key cannot sign this input")]
    Input,
}

/// Names a key inside a simulator: SHA-256 of its SubjectPublicKeyInfo in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeyId(pub String);

/// A private key as a row: opaque, because only the simulator may use it.
#[derive(Clone, Serialize, Deserialize)]
pub struct KeyRecord {
    /// Its name.
    pub id: KeyId,
    #[serde(with = "crate::hex_bytes")]
    pkcs8: Vec<u8>,
}

impl fmt::Debug for KeyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRecord({})", self.id.0)
    }
}

/// An RSA private key with its public forms computed once.
pub(crate) struct SigningKey {
    id: KeyId,
    pkcs8: Vec<u8>,
    /// RSAPublicKey (RFC 8017 A.1.1).
    public: Der,
    /// aws-lc refuses keys below 2048 bits; the deliberately weak key signs by way of `rsa`.
    fast: Option<KeyPair>,
}

impl SigningKey {
    pub(crate) fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, KeyError> {
        let (public, fast) = match KeyPair::from_pkcs8(pkcs8) {
            Ok(pair) => (pair.public_key().as_ref().to_vec(), Some(pair)),
            Err(_) => {
                let key = RsaPrivateKey::from_pkcs8_der(pkcs8).map_err(|_| KeyError::Malformed)?;
                let public = key
                    .to_public_key()
                    .to_pkcs1_der()
                    .map_err(|_| KeyError::Malformed)?;
                (public.as_bytes().to_vec(), None)
            }
        };
        let id = KeyId(hex::encode(Sha256::digest(spki(&public))));
        Ok(Self {
            id,
            pkcs8: pkcs8.to_vec(),
            public,
            fast,
        })
    }

    fn generate() -> Result<Self, KeyError> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::Generation)?;
        let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map_err(|_| KeyError::Generation)?;
        Self::from_pkcs8(pkcs8.as_ref())
    }

    pub(crate) fn id(&self) -> &KeyId {
        &self.id
    }

    pub(crate) fn record(&self) -> KeyRecord {
        KeyRecord {
            id: self.id.clone(),
            pkcs8: self.pkcs8.clone(),
        }
    }

    pub(crate) fn from_record(record: &KeyRecord) -> Result<Self, KeyError> {
        Self::from_pkcs8(&record.pkcs8)
    }

    /// SubjectPublicKeyInfo.
    pub(crate) fn spki(&self) -> Der {
        spki(&self.public)
    }

    /// SHA-1 over the subjectPublicKey's bits: method (1) of RFC 5280 4.2.1.2, which J-LIS uses, and OCSP's issuerKeyHash.
    pub(crate) fn key_identifier(&self) -> [u8; 20] {
        Sha1::digest(&self.public).into()
    }

    /// SHA-256 over the same bits: issuerKeyHash of a CertID that names SHA-256.
    pub(crate) fn key_hash_sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.public).into()
    }

    /// RSASSA-PKCS1-v1_5 over a message.
    pub(crate) fn sign(&self, hash: HashAlgorithm, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.sign_digest(hash, &hash.digest(message))
    }

    /// RSASSA-PKCS1-v1_5 over a finished digest.
    pub(crate) fn sign_digest(
        &self,
        hash: HashAlgorithm,
        value: &[u8],
    ) -> Result<Vec<u8>, KeyError> {
        let Some(pair) = &self.fast else {
            let padding = match hash {
                HashAlgorithm::Sha256 => Pkcs1v15Sign::new::<Sha256>(),
                HashAlgorithm::Sha384 => Pkcs1v15Sign::new::<sha2::Sha384>(),
                HashAlgorithm::Sha512 => Pkcs1v15Sign::new::<sha2::Sha512>(),
            };
            return self.sign_slowly(padding, value);
        };
        let value = digest::Digest::import_less_safe(value, hash.digest_algorithm())
            .map_err(|_| KeyError::Input)?;
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign_digest(hash.encoding(), &value, &mut signature)
            .map_err(|_| KeyError::Input)?;
        Ok(signature)
    }

    /// RSASSA-PKCS1-v1_5 with SHA-1, which only a deliberately bad certificate uses.
    pub(crate) fn sign_sha1(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.sign_slowly(Pkcs1v15Sign::new::<Sha1>(), &Sha1::digest(message))
    }

    /// EMSA-PKCS1-v1_5 padding around any bytes that fit.
    pub(crate) fn sign_bytes(&self, bytes: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.sign_slowly(Pkcs1v15Sign::new_unprefixed(), bytes)
    }

    fn sign_slowly(&self, padding: Pkcs1v15Sign, value: &[u8]) -> Result<Vec<u8>, KeyError> {
        let key = RsaPrivateKey::from_pkcs8_der(&self.pkcs8).map_err(|_| KeyError::Malformed)?;
        key.sign(padding, value).map_err(|_| KeyError::Input)
    }
}

fn spki(public: &[u8]) -> Der {
    der::sequence(&[
        der::sequence(&[der::oid(oid::RSA_ENCRYPTION), der::null()]),
        der::bit_string(0, public),
    ])
}

/// Where new keys come from.
pub enum KeySource {
    /// A fresh RSA-2048 key each time, made by aws-lc from the operating system's randomness (about 0.1 s each).
    ///
    /// A reproducible generator would need the much slower arithmetic of `rsa` (over 0.25 s a key without
    /// optimisation); who wants reproducible keys hands in a pool.
    Generated,
    /// Fixed keys.
    Pool(KeyPool),
}

/// Fixed keys, handed out in turn, again and again.
pub struct KeyPool {
    keys: Vec<Arc<SigningKey>>,
    next: usize,
}

impl KeySource {
    /// Hands out the given PKCS#8 keys in turn.
    ///
    /// # Errors
    /// No key at all, or one that is no RSA key.
    pub fn pool<T: AsRef<[u8]>>(pkcs8: impl IntoIterator<Item = T>) -> Result<Self, KeyError> {
        let keys = pkcs8
            .into_iter()
            .map(|key| SigningKey::from_pkcs8(key.as_ref()).map(Arc::new))
            .collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err(KeyError::PoolTooSmall);
        }
        Ok(Self::Pool(KeyPool { keys, next: 0 }))
    }

    /// Makes as many new keys as will be drawn, on all processors, so that whoever keeps others waiting while drawing need
    /// not make them then.
    ///
    /// # Errors
    /// None asked for, or the cryptographic library could not make one.
    pub fn fresh(count: usize) -> Result<Self, KeyError> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let keys = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..processors.min(count))
                .map(|worker| {
                    let share = (worker..count).step_by(processors);
                    scope.spawn(move || share.map(|_| SigningKey::generate()).collect::<Vec<_>>())
                })
                .collect();
            let made = workers.into_iter().flat_map(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|_| vec![Err(KeyError::Generation)])
            });
            made.map(|key| key.map(Arc::new))
                .collect::<Result<Vec<_>, _>>()
        })?;
        if keys.is_empty() {
            return Err(KeyError::PoolTooSmall);
        }
        Ok(Self::Pool(KeyPool { keys, next: 0 }))
    }

    /// A key that `refused` does not refuse: a CA's key must not turn up on a card.
    pub(crate) fn draw(
        &mut self,
        refused: impl Fn(&KeyId) -> bool,
    ) -> Result<Arc<SigningKey>, KeyError> {
        match self {
            Self::Generated => SigningKey::generate().map(Arc::new),
            Self::Pool(pool) => {
                for _ in 0..pool.keys.len() {
                    let key = &pool.keys[pool.next];
                    pool.next = (pool.next + 1) % pool.keys.len();
                    if !refused(key.id()) {
                        return Ok(Arc::clone(key));
                    }
                }
                Err(KeyError::PoolTooSmall)
            }
        }
    }
}

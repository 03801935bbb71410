//! The platform's own keys.
//!
//! One file in the data directory, readable by its owner alone; in an operator's shape a mounted secret of the same
//! form. Losing it makes sealed data unreadable and pseudonyms change: it belongs into the backup.

mod file;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_lc_rs::{
    hmac,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde::Serialize;
use sha2::{Digest, Sha256};
use warikan_contracts::api::TokenKey;
use warikan_http::Cursors;
use warikan_types::{Entropy, PseudonymKey, Sealer};

use self::file::{KeyFile, WrappingKey, write_private};
use crate::{
    data_keys::{FileWrapping, KeyWrapping, Reload},
    token_keys::{OwnTokenKey, TokenKeys},
    tokens_read::TokensRead,
};

/// The type (RFC 7515 4.1.9) of a signed head of the audit trail.
pub const AUDIT_HEAD: &str = "warikan-audit-head+jwt";

/// The keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("the key file {path} cannot be used: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file does not hold five keys of 32 octets in hexadecimal.
    #[error("the key file {path} does not hold the platform's keys")]
    Content {
        /// Which file.
        path: PathBuf,
    },
}

/// The keys, ready for use. Clones share them.
#[derive(Clone)]
pub struct Keys(Arc<Inner>, Arc<dyn KeyWrapping>);

struct Inner {
    tokens_read: TokensRead,
    tokens: TokenKeys,
    internal: SigningKey,
    receipt: SigningKey,
    sealer: Sealer,
    pseudonym: PseudonymKey,
    cursors: Cursors,
}

pub(crate) struct SigningKey {
    pub(crate) kid: String,
    /// For `jsonwebtoken`, which parses it anew for each signature.
    pub(crate) encoding: EncodingKey,
    pub(crate) decoding: DecodingKey,
    /// The same key, parsed.
    pair: Ed25519KeyPair,
    public: String,
}

impl Keys {
    /// Loads the key file, or makes one where there is none.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn load_or_create(path: &Path, entropy: &Entropy) -> Result<Self, KeyError> {
        let failed = |source| KeyError::File {
            path: path.to_owned(),
            source,
        };
        let content = KeyError::Content {
            path: path.to_owned(),
        };
        let file: KeyFile = match std::fs::read(path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|_| content)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                write_private(path, &KeyFile::lasting(entropy)).map_err(failed)?;
                let text = std::fs::read(path).map_err(failed)?;
                serde_json::from_slice(&text).map_err(|_| content)?
            }
            Err(error) => return Err(failed(error)),
        };
        Self::from_file(&file, Some(path), entropy).ok_or(KeyError::Content {
            path: path.to_owned(),
        })
    }

    /// New keys, as the text of a key file: for an operator who keeps them in a secret store.
    #[must_use]
    pub fn generate(entropy: &Entropy) -> String {
        serde_json::to_string_pretty(&KeyFile::lasting(entropy)).unwrap_or_default()
    }

    /// Loads a key file that must be there: one that several processes share.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn load(path: &Path, entropy: &Entropy) -> Result<Self, KeyError> {
        let text = std::fs::read(path).map_err(|source| KeyError::File {
            path: path.to_owned(),
            source,
        })?;
        serde_json::from_slice(&text)
            .ok()
            .and_then(|file| Self::from_file(&file, Some(path), entropy))
            .ok_or(KeyError::Content {
                path: path.to_owned(),
            })
    }

    /// Keys that live as long as the process: tests, and tools that keep nothing.
    ///
    /// # Panics
    /// Never: generated keys have the right form.
    #[must_use]
    pub fn ephemeral(entropy: &Entropy) -> Self {
        Self::from_file(&KeyFile::generate(entropy), None, entropy)
            .expect("generated keys are well-formed")
    }

    fn from_file(file: &KeyFile, path: Option<&Path>, entropy: &Entropy) -> Option<Self> {
        let inner = Inner {
            tokens_read: TokensRead::default(),
            tokens: TokenKeys::new(SigningKey::from_seed(&bytes(&file.token)?)?),
            internal: SigningKey::from_seed(&internal_seed(&bytes(&file.token)?))?,
            receipt: SigningKey::from_seed(&bytes(&file.receipt)?)?,
            sealer: Sealer::new(bytes(&file.seal)?, entropy.clone()),
            pseudonym: PseudonymKey::new(bytes(&file.pseudonym)?),
            cursors: Cursors::new(bytes(&file.cursor)?),
        };
        let reload = path.map(|path| {
            let path = path.to_owned();
            let reload: Reload = Box::new(move || {
                let text = std::fs::read(&path).ok()?;
                serde_json::from_slice::<KeyFile>(&text).ok()?.wrapping()
            });
            reload
        });
        let wrapping = FileWrapping::new(file.wrapping()?, reload, entropy);
        Some(Self(Arc::new(inner), Arc::new(wrapping)))
    }

    /// With something else that wraps data keys: a key management service.
    #[must_use]
    pub fn with_wrapping(mut self, wrapping: Arc<dyn KeyWrapping>) -> Self {
        self.1 = wrapping;
        self
    }

    /// Wraps and unwraps the tenants' data keys.
    #[must_use]
    pub fn wrapping(&self) -> &Arc<dyn KeyWrapping> {
        &self.1
    }

    /// Puts a new wrapping key into the key file, in front of the others, under a name that is not there yet; gives the name.
    ///
    /// # Errors
    /// The file cannot be read or written, or holds no keys.
    pub fn add_wrapping(path: &Path, entropy: &Entropy) -> Result<String, KeyError> {
        let mut file = KeyFile::read(path)?;
        let key = WrappingKey::generate(entropy);
        let name = key.name.clone();
        file.wrapping.insert(0, key);
        file.replace(path)?;
        Ok(name)
    }

    /// Takes all wrapping keys but the one in force out of the key file; gives their names. What is wrapped under them, in backups too, can
    /// never be unwrapped again. The one that follows from `seal` is none of these.
    ///
    /// # Errors
    /// The file cannot be read or written, or holds no keys.
    pub fn forget_older_wrapping(path: &Path) -> Result<Vec<String>, KeyError> {
        let mut file = KeyFile::read(path)?;
        if file.wrapping.len() < 2 {
            return Ok(Vec::new());
        }
        let older = file.wrapping.split_off(1);
        file.replace(path)?;
        Ok(older.into_iter().map(|key| key.name).collect())
    }

    /// Seals personal data at rest.
    #[must_use]
    pub fn sealer(&self) -> &Sealer {
        &self.0.sealer
    }

    /// Makes certificate handles.
    #[must_use]
    pub fn pseudonym(&self) -> &PseudonymKey {
        &self.0.pseudonym
    }

    /// Makes list cursors.
    #[must_use]
    pub fn cursors(&self) -> &Cursors {
        &self.0.cursors
    }

    /// The keys of access tokens.
    pub(crate) fn tokens(&self) -> &TokenKeys {
        &self.0.tokens
    }

    /// The name of the key file's own key for access tokens.
    #[must_use]
    pub fn first_token_key(&self) -> &str {
        &self.0.tokens.first().kid
    }

    /// Takes over the keys for access tokens that onboarding keeps, all that are not over. False where one of them is no key.
    #[must_use]
    pub fn hold_token_keys(&self, keys: &[OwnTokenKey]) -> bool {
        self.0.tokens.hold(keys)
    }

    /// Takes over by which keys access tokens are read, as onboarding in another process tells it.
    pub fn hear_token_keys(&self, keys: &[TokenKey]) {
        self.0.tokens.hear(keys);
    }

    /// By which keys access tokens are read.
    #[must_use]
    pub fn token_keys(&self) -> Vec<TokenKey> {
        self.0.tokens.public()
    }

    /// Signs what the platform's processes say to each other. Never in the JWK Set.
    pub(crate) fn internal(&self) -> &SigningKey {
        &self.0.internal
    }

    /// Signs a verification receipt: a compact JWS (RFC 7515, EdDSA) that a tenant verifies offline with
    /// `/.well-known/jwks.json`.
    ///
    /// # Errors
    /// The claims are not serialisable.
    pub fn sign_receipt(
        &self,
        claims: &impl Serialize,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        self.0.receipt.sign("warikan-receipt+jwt", claims)
    }

    /// Signs how far a chain of the audit trail goes: a compact JWS of a type of its own, by the same key.
    ///
    /// # Errors
    /// The claims are not serialisable.
    pub fn sign_audit_head(
        &self,
        claims: &impl Serialize,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        self.0.receipt.sign(AUDIT_HEAD, claims)
    }

    /// Access tokens that these keys were found to have signed.
    pub(crate) fn tokens_read(&self) -> &TokensRead {
        &self.0.tokens_read
    }

    /// The public keys as a JWK Set (RFC 7517, RFC 8037).
    #[must_use]
    pub fn jwks(&self) -> serde_json::Value {
        let jwk = |kid: &str, public: &str| {
            serde_json::json!({
                "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": kid, "x": public,
            })
        };
        let mut keys: Vec<serde_json::Value> = self
            .token_keys()
            .iter()
            .map(|key| jwk(&key.kid, &key.x))
            .collect();
        let receipt = &self.0.receipt;
        keys.push(jwk(&receipt.kid, receipt.public()));
        serde_json::json!({ "keys": keys })
    }
}

/// A key of its own for internal tokens, derived from the one for access tokens (an HMAC as in RFC 5869 2.3, one block), so that
/// key files made before there were several processes go on serving.
fn internal_seed(token: &[u8; 32]) -> [u8; 32] {
    derived(token, b"warikan internal token\x01")
}

/// A key that follows from another.
fn derived(from: &[u8; 32], what_for: &[u8]) -> [u8; 32] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, from);
    let mut derived = [0; 32];
    derived.copy_from_slice(hmac::sign(&key, what_for).as_ref());
    derived
}

fn bytes(text: &str) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    hex::decode_to_slice(text, &mut key).ok().map(|()| key)
}

impl SigningKey {
    /// The public half, base64url.
    pub(crate) fn public(&self) -> &str {
        &self.public
    }

    pub(crate) fn from_seed(seed: &[u8; 32]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let public = pair.public_key().as_ref().to_vec();
        Some(Self {
            // The kid is the key's own fingerprint: two installations never share one by accident.
            kid: hex::encode(&Sha256::digest(&public)[..8]),
            encoding: EncodingKey::from_ed_der(pair.to_pkcs8().ok()?.as_ref()),
            decoding: DecodingKey::from_ed_der(&public),
            public: URL_SAFE_NO_PAD.encode(&public),
            pair,
        })
    }

    /// A compact JWS (RFC 7515 3.1) of this type, as `jsonwebtoken::encode` makes it, with the key parsed once: what is signed for
    /// each request goes this way.
    pub(crate) fn sign(
        &self,
        typ: &str,
        claims: &impl Serialize,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(typ.to_owned());
        header.kid = Some(self.kid.clone());
        let mut jws = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header)?);
        jws.push('.');
        URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(claims)?, &mut jws);
        let signature = self.pair.sign(jws.as_bytes());
        jws.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut jws);
        Ok(jws)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_a_restart_and_are_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.json");
        let entropy = Entropy::seeded(1);
        let first = Keys::load_or_create(&path, &entropy).unwrap();
        let second = Keys::load_or_create(&path, &entropy).unwrap();
        assert_eq!(first.jwks(), second.jwks());
        let sealed = first.sealer().seal("here", b"text");
        assert_eq!(second.sealer().open("here", &sealed).unwrap(), b"text");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0);
        }
        std::fs::write(&path, b"{}").unwrap();
        assert!(matches!(
            Keys::load_or_create(&path, &entropy),
            Err(KeyError::Content { .. })
        ));
    }
}

//! What wraps data keys: a port, since a key management service does it elsewhere, over the network.

use std::sync::{PoisonError, RwLock};

use async_trait::async_trait;
use warikan_types::{Entropy, Sealer};

/// Wraps data keys under keys of its own, which it does not give away.
#[async_trait]
pub trait KeyWrapping: Send + Sync {
    /// The name of the key that new data keys are wrapped under.
    fn in_force(&self) -> String;

    /// Wraps a data key under the key in force, bound to `place`.
    ///
    /// # Errors
    /// [`WrapError::Unavailable`].
    async fn wrap(&self, place: &str, key: &[u8; 32]) -> Result<Wrapped, WrapError>;

    /// The data key, under whichever key it was wrapped.
    ///
    /// # Errors
    /// [`WrapError`].
    async fn unwrap(&self, place: &str, wrapped: &Wrapped) -> Result<[u8; 32], WrapError>;
}

/// A wrapped data key, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrapped {
    /// The name of the key that it is wrapped under.
    pub under: String,
    /// As its wrapper made it.
    pub octets: Vec<u8>,
}

/// A data key cannot be wrapped or unwrapped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrapError {
    /// Who wraps does not answer; it may in a moment.
    #[error("the key management is not available: {0}")]
    Unavailable(String),
    /// The key that it was wrapped under is not here: the database is newer or older than the keys.
    #[error(
        "a data key is wrapped under `{0}`, which is not among the wrapping keys; put that key back into the key file"
    )]
    UnknownKey(String),
    /// It was changed, or is another tenant's.
    #[error("a wrapped data key is damaged, or is not where it belongs")]
    Damaged,
}

/// A wrapping key and its name.
pub(crate) struct NamedKey {
    pub(crate) name: String,
    pub(crate) key: [u8; 32],
}

/// Reads the key file's wrapping keys as they are now.
pub(crate) type Reload = Box<dyn Fn() -> Option<Vec<NamedKey>> + Send + Sync>;

/// Wrapping by keys of the key file: AES-256-GCM. The first is in force; the others still unwrap. A name that is not known is looked for
/// in the file again: a process goes on while the keys are rotated.
pub(crate) struct FileWrapping {
    keys: RwLock<Vec<(String, Sealer)>>,
    reload: Option<Reload>,
    entropy: Entropy,
}

impl FileWrapping {
    /// At least one key.
    pub(crate) fn new(keys: Vec<NamedKey>, reload: Option<Reload>, entropy: &Entropy) -> Self {
        Self {
            keys: RwLock::new(sealers(keys, entropy)),
            reload,
            entropy: entropy.clone(),
        }
    }

    fn find(&self, name: &str) -> Option<Sealer> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let found = keys.iter().find(|(known, _)| known == name);
        found.map(|(_, sealer)| sealer.clone())
    }

    fn look_again(&self) {
        if let Some(keys) = self.reload.as_ref().and_then(|reload| reload()) {
            let mut known = self.keys.write().unwrap_or_else(PoisonError::into_inner);
            *known = sealers(keys, &self.entropy);
        }
    }

    fn first(&self) -> Option<(String, Sealer)> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.first().cloned()
    }
}

fn sealers(keys: Vec<NamedKey>, entropy: &Entropy) -> Vec<(String, Sealer)> {
    keys.into_iter()
        .map(|one| (one.name, Sealer::new(one.key, entropy.clone())))
        .collect()
}

#[async_trait]
impl KeyWrapping for FileWrapping {
    fn in_force(&self) -> String {
        self.first().map(|(name, _)| name).unwrap_or_default()
    }

    async fn wrap(&self, place: &str, key: &[u8; 32]) -> Result<Wrapped, WrapError> {
        // A key that was put into the file a moment ago is in force here too: the one before may be forgotten soon. New data keys are rare.
        self.look_again();
        let none = || WrapError::Unavailable("there is no wrapping key".to_owned());
        let (under, sealer) = self.first().ok_or_else(none)?;
        let octets = sealer.seal(place, key);
        Ok(Wrapped { under, octets })
    }

    async fn unwrap(&self, place: &str, wrapped: &Wrapped) -> Result<[u8; 32], WrapError> {
        let sealer = self.find(&wrapped.under).or_else(|| {
            self.look_again();
            self.find(&wrapped.under)
        });
        let sealer = sealer.ok_or_else(|| WrapError::UnknownKey(wrapped.under.clone()))?;
        let opened = sealer.open(place, &wrapped.octets);
        let opened = opened.map_err(|_| WrapError::Damaged)?;
        opened.try_into().map_err(|_| WrapError::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn named(name: &str, octet: u8) -> NamedKey {
        NamedKey {
            name: name.to_owned(),
            key: [octet; 32],
        }
    }

    #[tokio::test]
    async fn f096_keys_are_opened_under_older_keys_newer_keys_and_no_wrong_ones() {
        let entropy = Entropy::seeded(1);
        let old = FileWrapping::new(vec![named("a", 1)], None, &entropy);
        let wrapped = old.wrap("here", &[7; 32]).await.unwrap();
        assert!(!wrapped.octets.windows(32).any(|part| part == [7; 32]));

        // Rotated: the older one still opens, the newer is in force.
        let both = FileWrapping::new(vec![named("b", 2), named("a", 1)], None, &entropy);
        assert_eq!(both.in_force(), "b");
        assert_eq!(both.unwrap("here", &wrapped).await.unwrap(), [7; 32]);
        let newer = both.wrap("here", &[7; 32]).await.unwrap();
        assert_eq!(newer.under, "b");

        // A newer database under older keys says which key is missing.
        let missing = old.unwrap("here", &newer).await.unwrap_err();
        assert_eq!(missing, WrapError::UnknownKey("b".to_owned()));
        // Another's place, another key of that name, a changed octet.
        assert_eq!(both.unwrap("there", &newer).await, Err(WrapError::Damaged));
        let other = FileWrapping::new(vec![named("b", 3)], None, &entropy);
        assert_eq!(other.unwrap("here", &newer).await, Err(WrapError::Damaged));
        let mut changed = newer.clone();
        changed.octets[20] ^= 1;
        assert_eq!(both.unwrap("here", &changed).await, Err(WrapError::Damaged));

        // A process that runs finds the key that came into the file after its start.
        let file = Arc::new(Mutex::new(vec!["a"]));
        let reread = file.clone();
        let reload: Reload = Box::new(move || {
            let names = reread.lock().unwrap();
            let number = |name: &str| if name == "a" { 1 } else { 2 };
            Some(names.iter().map(|name| named(name, number(name))).collect())
        });
        let running = FileWrapping::new(vec![named("a", 1)], Some(reload), &entropy);
        assert!(running.unwrap("here", &newer).await.is_err());
        *file.lock().unwrap() = vec!["b", "a"];
        assert_eq!(running.unwrap("here", &newer).await.unwrap(), [7; 32]);
    }
}

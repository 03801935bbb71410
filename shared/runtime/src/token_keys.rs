//! Which keys sign access tokens, and by which they are read.
//!
//! The key file has one; onboarding makes further ones when they are rotated, keeps them sealed in its database and tells the edges their public
//! halves. A key is made known before it signs, and read for as long as what it signed can be good, so a rotation refuses nobody. The edges hear
//! of it on the way on which they hear whose tokens are denied; until they have heard anything, the key file's own is what they know.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use jsonwebtoken::DecodingKey;
use warikan_contracts::api::TokenKey;
use warikan_types::Timestamp;

use crate::keys::SigningKey;

/// A key that this process may sign with.
pub struct OwnTokenKey {
    /// Its secret half; `None` for the key file's own, of which `kid` says that it is meant.
    pub seed: Option<[u8; 32]>,
    /// Its name.
    pub kid: String,
    /// From when on it signs, until a later one does.
    pub signs_from: Timestamp,
    /// Until when it is read; `None`: no later one is there yet.
    pub until: Option<Timestamp>,
}

/// A key by which tokens are read.
struct Reading {
    decoding: DecodingKey,
    public: String,
    until: Option<Timestamp>,
}

struct State {
    /// In the order of their beginnings.
    own: Vec<(Option<Timestamp>, Arc<SigningKey>)>,
    reading: HashMap<String, Reading>,
}

/// The keys at this moment.
pub(crate) struct TokenKeys {
    /// The key file's.
    first: Arc<SigningKey>,
    state: RwLock<Arc<State>>,
}

impl TokenKeys {
    pub(crate) fn new(first: SigningKey) -> Self {
        let first = Arc::new(first);
        let state = State {
            reading: HashMap::from([(first.kid.clone(), reading(&first, None))]),
            own: vec![(None, Arc::clone(&first))],
        };
        Self {
            first,
            state: RwLock::new(Arc::new(state)),
        }
    }

    fn state(&self) -> Arc<State> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&state)
    }

    fn replace(&self, state: State) {
        let mut now = self.state.write().unwrap_or_else(PoisonError::into_inner);
        *now = Arc::new(state);
    }

    pub(crate) fn first(&self) -> &SigningKey {
        &self.first
    }

    /// The key that signs now.
    pub(crate) fn signing(&self, now: Timestamp) -> Arc<SigningKey> {
        let state = self.state();
        let begun = |from: &Option<Timestamp>| from.is_none_or(|from| from <= now);
        let last = state.own.iter().rev().find(|(from, _)| begun(from));
        last.or_else(|| state.own.first())
            .map_or_else(|| Arc::clone(&self.first), |(_, key)| Arc::clone(key))
    }

    /// Reads by the key of this name, if one is known.
    pub(crate) fn by_name<T>(&self, kid: &str, read: impl FnOnce(&DecodingKey) -> T) -> Option<T> {
        let state = self.state();
        let key = state.reading.get(kid)?;
        Some(read(&key.decoding))
    }

    /// Whether what the key of this name signed is read now.
    pub(crate) fn accepts(&self, kid: &str, now: Timestamp) -> bool {
        let state = self.state();
        let key = state.reading.get(kid);
        key.is_some_and(|key| key.until.is_none_or(|until| now < until))
    }

    /// The public halves of all that are read, by name.
    pub(crate) fn public(&self) -> Vec<TokenKey> {
        let state = self.state();
        let mut keys: Vec<TokenKey> = state
            .reading
            .iter()
            .map(|(kid, key)| TokenKey {
                kid: kid.clone(),
                x: key.public.clone(),
                until: key.until,
            })
            .collect();
        keys.sort_unstable_by(|one, other| one.kid.cmp(&other.kid));
        keys
    }

    /// Takes over what onboarding's database holds; nothing there leaves the key file's. False where a key is none.
    pub(crate) fn hold(&self, keys: &[OwnTokenKey]) -> bool {
        if keys.is_empty() {
            return true;
        }
        let mut state = State {
            own: Vec::new(),
            reading: HashMap::new(),
        };
        for key in keys {
            let signing = match &key.seed {
                None if key.kid == self.first.kid => Some(Arc::clone(&self.first)),
                None => None,
                Some(seed) => SigningKey::from_seed(seed).map(Arc::new),
            };
            let Some(signing) = signing.filter(|signing| signing.kid == key.kid) else {
                return false;
            };
            let read = reading(&signing, key.until);
            state.reading.insert(key.kid.clone(), read);
            state.own.push((Some(key.signs_from), signing));
        }
        state.own.sort_by_key(|(from, _)| *from);
        self.replace(state);
        true
    }

    /// Takes over what onboarding in another process has told. One that tells of none is older than this, and is not followed.
    pub(crate) fn hear(&self, keys: &[TokenKey]) {
        let heard: HashMap<String, Reading> = keys
            .iter()
            .filter_map(|key| {
                let reading = Reading {
                    decoding: DecodingKey::from_ed_components(&key.x).ok()?,
                    public: key.x.clone(),
                    until: key.until,
                };
                Some((key.kid.clone(), reading))
            })
            .collect();
        if heard.is_empty() {
            return;
        }
        self.replace(State {
            own: vec![(None, Arc::clone(&self.first))],
            reading: heard,
        });
    }
}

fn reading(key: &SigningKey, until: Option<Timestamp>) -> Reading {
    Reading {
        decoding: key.decoding.clone(),
        public: key.public().to_owned(),
        until,
    }
}

/// The name of the key that this seed makes.
#[must_use]
pub fn token_key_name(seed: &[u8; 32]) -> Option<String> {
    SigningKey::from_seed(seed).map(|key| key.kid)
}

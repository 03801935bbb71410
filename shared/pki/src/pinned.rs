//! The anchors in force, for processes in which they become known one after the other.

use std::sync::{Arc, PoisonError, RwLock};

use crate::AnchorSet;

/// A set of anchors that its owner can put another in the place of; clones share it. A sandbox that runs in another process
/// tells its roots after the start. Whoever decides takes [`PinnedAnchors::current`] once, so that no decision mixes two sets.
#[derive(Debug, Clone)]
pub struct PinnedAnchors(Arc<RwLock<Arc<AnchorSet>>>);

impl PinnedAnchors {
    /// The set in force.
    #[must_use]
    pub fn current(&self) -> Arc<AnchorSet> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts a set in force, for every clone.
    pub fn replace(&self, set: AnchorSet) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(set);
    }
}

impl From<Arc<AnchorSet>> for PinnedAnchors {
    fn from(set: Arc<AnchorSet>) -> Self {
        Self(Arc::new(RwLock::new(set)))
    }
}

impl From<AnchorSet> for PinnedAnchors {
    fn from(set: AnchorSet) -> Self {
        Arc::new(set).into()
    }
}

//! Looking for a path: depth first from the target towards the anchors.
//!
//! Candidates are ordered by how likely they are (the key id that the certificate names, then none, then another) and
//! then by their bytes, so that the search takes the same way whatever order the bag had. A certificate is entered only
//! if its signature holds and it may be a CA at all; a whole path is validated when it has reached an anchor.

use super::{
    PathFailure,
    engine::{Engine, Index},
};
use crate::extension::KeyUsage;

impl<'a> Engine<'a> {
    /// Finds a valid path for `target`, to `only` that anchor if one is named. `beside` holds the certificates on
    /// whose behalf the search is made (signers of lists), which may not vouch for themselves.
    pub(crate) fn find(
        &mut self,
        target: Index,
        only: Option<Index>,
        beside: &mut Vec<Index>,
    ) -> Result<(), PathFailure> {
        let mut search = Search {
            only,
            best: PathFailure::IssuerUnknown,
            path: vec![target],
        };
        match self.step(&mut search, beside) {
            Ok(true) => Ok(()),
            Ok(false) => Err(search.best),
            Err(failure) => Err(failure),
        }
    }

    /// Extends the path by one issuer; true if that completed it. An error ends the whole search.
    fn step(&mut self, search: &mut Search, beside: &mut Vec<Index>) -> Result<bool, PathFailure> {
        self.visit()?;
        let last = search.last();
        let count = self.anchors;
        let (anchors, others): (Vec<Index>, Vec<Index>) = self
            .issuers_of(last)
            .into_iter()
            .partition(|one| *one < count);
        for anchor in anchors {
            if search.only.is_some_and(|only| only != anchor) {
                continue;
            }
            let outcome = self.is_signed_by(last, anchor).and_then(|()| {
                let path: Vec<Index> = search.path.iter().rev().copied().collect();
                self.validate(anchor, &path, beside)
            });
            match outcome {
                Ok(()) => return Ok(true),
                Err(PathFailure::BudgetExhausted) => return Err(PathFailure::BudgetExhausted),
                Err(failure) => search.fail(failure),
            }
        }
        for issuer in others {
            match self.may_enter(search, issuer) {
                Ok(()) => {}
                Err(PathFailure::BudgetExhausted) => return Err(PathFailure::BudgetExhausted),
                Err(failure) => {
                    search.fail(failure);
                    continue;
                }
            }
            search.path.push(issuer);
            if self.step(search, beside)? {
                return Ok(true);
            }
            search.path.pop();
        }
        Ok(false)
    }

    /// Certificates with the issuer's name, the likely ones first.
    fn issuers_of(&self, index: Index) -> Vec<Index> {
        let node = &self.nodes[index];
        let mut found = self.named(&node.issuer);
        found.sort_by_key(|candidate| {
            let ids = (
                node.ext.authority_key_id,
                self.nodes[*candidate].ext.subject_key_id,
            );
            match ids {
                (Some(wanted), Some(has)) if wanted == has => 0,
                (Some(_), Some(_)) => 2,
                _ => 1,
            }
        });
        found
    }

    fn may_enter(&mut self, search: &Search, issuer: Index) -> Result<(), PathFailure> {
        let node = &self.nodes[issuer];
        let again = search.path.iter().any(|other| {
            let other = &self.nodes[*other];
            // The same CA twice makes a path longer, never better.
            other.view.spki == node.view.spki && other.subject == node.subject
        });
        if again {
            return Err(PathFailure::IssuerUnknown);
        }
        if !node.ext.is_ca() {
            return Err(PathFailure::NotCa);
        }
        if !node.may(KeyUsage::KEY_CERT_SIGN) {
            return Err(PathFailure::KeyUsage);
        }
        let counted = search.path[1..]
            .iter()
            .chain([&issuer])
            .filter(|index| !self.nodes[**index].is_self_issued())
            .count();
        if counted > self.policy.max_intermediates
            || search.path.len() > 2 * super::MAX_INTERMEDIATES
        {
            return Err(PathFailure::TooLong);
        }
        self.within_validity(issuer)?;
        self.is_signed_by(search.last(), issuer)
    }

    pub(super) fn within_validity(&self, index: Index) -> Result<(), PathFailure> {
        let view = &self.nodes[index].view;
        if self.at < view.not_before {
            Err(PathFailure::NotYetValid)
        } else if self.at.unix() > view.not_after.unix() {
            Err(PathFailure::Expired)
        } else {
            Ok(())
        }
    }
}

struct Search {
    only: Option<Index>,
    best: PathFailure,
    /// From the target upwards.
    path: Vec<Index>,
}

impl Search {
    fn last(&self) -> Index {
        self.path[self.path.len() - 1]
    }

    /// Later failures in the order of validation came closer to a path.
    fn fail(&mut self, failure: PathFailure) {
        self.best = self.best.max(failure);
    }
}

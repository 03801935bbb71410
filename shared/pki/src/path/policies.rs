//! Certificate policies along a path (RFC 5280 6.1, in the form of RFC 9618).
//!
//! The policy *tree* of RFC 5280 doubles with every mapping and is how validators are made to run out of memory. RFC
//! 9618 keeps, per certificate, one node for each policy and its parents instead of copies of subtrees; the size is
//! then bounded by what the certificates themselves list.

use std::collections::{BTreeMap, BTreeSet};

use crate::{extension::Mapping, oid::ANY_POLICY};

/// A policy valid at one certificate.
#[derive(Default)]
struct PolicyNode<'a> {
    /// Policies of the certificate above that it follows from; none: from anyPolicy.
    parents: Vec<&'a [u8]>,
    mapped: bool,
}

/// The policies valid at one certificate.
#[derive(Default)]
struct Level<'a> {
    nodes: BTreeMap<&'a [u8], PolicyNode<'a>>,
    any: bool,
}

/// The policies valid along a path so far.
pub(crate) struct PolicyGraph<'a> {
    done: Vec<Level<'a>>,
    current: Level<'a>,
}

/// A mapping from or to anyPolicy.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MapsAnyPolicy;

impl<'a> PolicyGraph<'a> {
    pub(crate) const fn new() -> Self {
        Self {
            done: Vec::new(),
            current: Level {
                nodes: BTreeMap::new(),
                any: true,
            },
        }
    }

    /// Section 6.1.3 (d), (e): what the certificate asserts.
    pub(crate) fn assert(&mut self, policies: Option<&[&'a [u8]]>, any_allowed: bool) {
        let level = &mut self.current;
        let Some(policies) = policies else {
            *level = Level::default();
            return;
        };
        let asserted: BTreeSet<&[u8]> = policies.iter().copied().collect();
        let before_any = level.any;
        if !(any_allowed && asserted.contains(ANY_POLICY)) {
            level.nodes.retain(|policy, _| asserted.contains(policy));
            level.any = false;
        }
        if before_any {
            for policy in asserted.into_iter().filter(|one| *one != ANY_POLICY) {
                level.nodes.entry(policy).or_default();
            }
        }
    }

    /// Section 6.1.4 (a), (b): what the certificate maps, and what the next one is expected to assert.
    pub(crate) fn map(
        &mut self,
        mappings: &[Mapping<'a>],
        allowed: bool,
    ) -> Result<(), MapsAnyPolicy> {
        if mappings
            .iter()
            .any(|(issuer, subject)| *issuer == ANY_POLICY || *subject == ANY_POLICY)
        {
            return Err(MapsAnyPolicy);
        }
        let level = &mut self.current;
        for (issuer, _) in mappings {
            if !allowed {
                level.nodes.remove(issuer);
            } else if level.any {
                level.nodes.entry(issuer).or_default().mapped = true;
            } else if let Some(node) = level.nodes.get_mut(issuer) {
                node.mapped = true;
            }
        }
        let mut next = Level {
            nodes: BTreeMap::new(),
            any: level.any,
        };
        for (policy, _) in level.nodes.iter().filter(|(_, node)| !node.mapped) {
            next.nodes.entry(policy).or_default().parents.push(policy);
        }
        for (issuer, subject) in mappings {
            if level.nodes.contains_key(issuer) {
                next.nodes.entry(subject).or_default().parents.push(issuer);
            }
        }
        self.done.push(std::mem::replace(&mut self.current, next));
        Ok(())
    }

    /// Section 6.1.5 (g): whether a policy that the caller accepts is valid for the whole path.
    pub(crate) fn is_valid_for(&self, accepted: &BTreeSet<Vec<u8>>) -> bool {
        let last = &self.current;
        if accepted.contains(ANY_POLICY) {
            return last.any || !last.nodes.is_empty();
        }
        if last.any {
            return !accepted.is_empty();
        }
        let mut reachable: BTreeSet<&[u8]> = last.nodes.keys().copied().collect();
        for level in std::iter::once(last).chain(self.done.iter().rev()) {
            let mut above = BTreeSet::new();
            for policy in &reachable {
                match level.nodes.get(policy) {
                    // It follows from anyPolicy, so the caller's own policies are what it is held against.
                    Some(node) if node.parents.is_empty() && accepted.contains(*policy) => {
                        return true;
                    }
                    Some(node) => above.extend(node.parents.iter().copied()),
                    None => {}
                }
            }
            reachable = above;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &[u8] = &[1];
    const B: &[u8] = &[2];

    fn accepts(policies: &[&[u8]]) -> BTreeSet<Vec<u8>> {
        policies.iter().map(|policy| policy.to_vec()).collect()
    }

    #[test]
    fn a_mapping_keeps_the_issuers_policy() {
        let mut graph = PolicyGraph::new();
        graph.assert(Some(&[A]), true);
        graph.map(&[(A, B)], true).unwrap();
        graph.assert(Some(&[B]), true);
        assert!(graph.is_valid_for(&accepts(&[A])));
        assert!(!graph.is_valid_for(&accepts(&[B])));
        assert!(graph.is_valid_for(&accepts(&[ANY_POLICY])));
    }

    #[test]
    fn what_is_not_asserted_everywhere_is_gone() {
        let mut graph = PolicyGraph::new();
        graph.assert(Some(&[A]), true);
        graph.map(&[], true).unwrap();
        graph.assert(Some(&[B]), true);
        assert!(!graph.is_valid_for(&accepts(&[ANY_POLICY])));
        let mut graph = PolicyGraph::new();
        graph.assert(Some(&[A]), true);
        graph.map(&[(A, B)], false).unwrap();
        graph.assert(Some(&[B, A]), true);
        assert!(!graph.is_valid_for(&accepts(&[ANY_POLICY])));
        assert_eq!(graph.map(&[(ANY_POLICY, A)], true), Err(MapsAnyPolicy));
    }

    #[test]
    fn f057_mappings_do_not_multiply() {
        let policies: Vec<Vec<u8>> = (0..16).map(|number| vec![number]).collect();
        let list: Vec<&[u8]> = policies.iter().map(Vec::as_slice).collect();
        let all: Vec<(&[u8], &[u8])> = list
            .iter()
            .flat_map(|a| list.iter().map(move |b| (*a, *b)))
            .collect();
        let mut graph = PolicyGraph::new();
        for _ in 0..32 {
            graph.assert(Some(&list), true);
            graph.map(&all, true).unwrap();
        }
        graph.assert(Some(&list), true);
        let nodes: usize = graph.done.iter().map(|level| level.nodes.len()).sum();
        assert_eq!(nodes, 16 * 32);
        assert!(graph.is_valid_for(&accepts(&[&[3]])));
        assert!(!graph.is_valid_for(&accepts(&[&[99]])));
    }
}

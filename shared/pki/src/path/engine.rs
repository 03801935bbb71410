//! What a search works on: all certificates in one arena, lists, remembered signatures, budgets.

use std::{cell::Cell, collections::BTreeMap};

use warikan_types::Timestamp;

use super::{PathFailure, PathInput, PathPolicy, cert::Node, revocation::Status};
use crate::{name::CanonicalName, path::bag::List};

/// Certificates visited while looking for paths.
const MAX_VISITS: u32 = 20_000;
/// Distinct (issuer, signed) pairs whose signature is checked; with the costliest keys about half a second.
const MAX_SIGNATURES: u32 = 500;
/// Complete paths that are validated.
const MAX_VALIDATIONS: u32 = 500;
/// Comparisons of names with constraints and distribution points, and entries of lists read, all together.
const MAX_WORK: usize = 5_000_000;
/// Certificates and lists that are kept of each bag.
const MAX_BAG: usize = 2_048;

/// Index into the arena.
pub(crate) type Index = usize;

/// A search.
pub(crate) struct Engine<'a> {
    pub(super) nodes: Vec<Node<'a>>,
    /// The first so many nodes are anchors.
    pub(super) anchors: usize,
    pub(super) by_subject: BTreeMap<CanonicalName, Vec<Index>>,
    pub(super) lists: Vec<List<'a>>,
    pub(super) policy: PathPolicy,
    pub(super) at: Timestamp,
    target: Index,
    /// Certificate signatures: (issuer, certificate).
    signed: BTreeMap<(Index, Index), bool>,
    /// List signatures: (issuer, list).
    pub(super) list_signed: BTreeMap<(Index, usize), bool>,
    /// Whether a certificate beside the path may sign lists under an anchor.
    pub(super) list_issuers: BTreeMap<(Index, Index), bool>,
    /// Status of certificates that no list's signer had asked about: (certificate, issuer, anchor).
    pub(super) statuses: BTreeMap<(Index, Index, Index), Status>,
    visits: u32,
    signatures: u32,
    validations: u32,
    work: Cell<usize>,
}

impl<'a> Engine<'a> {
    /// Reads the bags. What cannot be read helps no one and is left out, except the target.
    pub(crate) fn new(
        input: &PathInput<'a>,
        policy: &PathPolicy,
        at: Timestamp,
    ) -> Result<Self, PathFailure> {
        let floor = policy.algorithms.rsa_min_bits();
        let target = Node::read(input.target, floor).map_err(|_| PathFailure::Malformed)?;
        if target.key.is_err() {
            // A path to a key that cannot be used proves nothing.
            return Err(PathFailure::AlgorithmRefused);
        }
        let read = |bag: &[&'a [u8]]| {
            let mut nodes: Vec<Node<'a>> = bag
                .iter()
                .take(MAX_BAG)
                .filter_map(|der| Node::read(der, floor).ok())
                .collect();
            nodes.sort_by_key(|node| node.sha256);
            nodes.dedup_by_key(|node| node.sha256);
            nodes
        };
        let mut nodes = read(input.trust_anchors);
        let usable = |node: &Node<'_>| !node.ext.unknown_critical;
        nodes.retain(usable);
        let anchors = nodes.len();
        let known: Vec<[u8; 32]> = nodes.iter().map(|node| node.sha256).collect();
        nodes.extend(
            read(input.intermediates)
                .into_iter()
                .filter(|node| !known.contains(&node.sha256)),
        );
        nodes.push(target);
        let mut by_subject: BTreeMap<CanonicalName, Vec<Index>> = BTreeMap::new();
        for (index, node) in nodes.iter().enumerate() {
            by_subject
                .entry(node.subject.clone())
                .or_default()
                .push(index);
        }
        Ok(Self {
            target: nodes.len() - 1,
            nodes,
            anchors,
            by_subject,
            lists: List::read_all(input.crls.iter().copied().take(MAX_BAG)),
            policy: policy.clone(),
            at,
            signed: BTreeMap::new(),
            list_signed: BTreeMap::new(),
            list_issuers: BTreeMap::new(),
            statuses: BTreeMap::new(),
            visits: 0,
            signatures: 0,
            validations: 0,
            work: Cell::new(0),
        })
    }

    pub(crate) const fn target(&self) -> Index {
        self.target
    }

    pub(crate) const fn is_anchor(&self, index: Index) -> bool {
        index < self.anchors
    }

    /// Certificates with this subject, in the arena's order.
    pub(super) fn named(&self, subject: &CanonicalName) -> Vec<Index> {
        self.by_subject.get(subject).cloned().unwrap_or_default()
    }

    /// Counts a visit.
    pub(super) const fn visit(&mut self) -> Result<(), PathFailure> {
        if self.visits == MAX_VISITS {
            return Err(PathFailure::BudgetExhausted);
        }
        self.visits += 1;
        Ok(())
    }

    /// Counts a complete path.
    pub(super) const fn spend_validation(&mut self) -> Result<(), PathFailure> {
        if self.validations == MAX_VALIDATIONS {
            return Err(PathFailure::BudgetExhausted);
        }
        self.validations += 1;
        Ok(())
    }

    /// Counts comparisons and entries.
    pub(super) fn spend_work(&self, amount: usize) -> Result<(), PathFailure> {
        let sum = self.work.get().saturating_add(amount);
        self.work.set(sum);
        if sum > MAX_WORK {
            return Err(PathFailure::BudgetExhausted);
        }
        Ok(())
    }

    /// Counts a signature check.
    pub(super) const fn spend_signature(&mut self) -> Result<(), PathFailure> {
        if self.signatures == MAX_SIGNATURES {
            return Err(PathFailure::BudgetExhausted);
        }
        self.signatures += 1;
        Ok(())
    }

    /// Whether the issuer's key signed the certificate. Checked once per pair.
    pub(super) fn is_signed_by(
        &mut self,
        certificate: Index,
        issuer: Index,
    ) -> Result<(), PathFailure> {
        let verified = if let Some(known) = self.signed.get(&(issuer, certificate)) {
            *known
        } else {
            let (key, node) = (&self.nodes[issuer].key, &self.nodes[certificate]);
            let Ok(key) = key else {
                return Err(PathFailure::AlgorithmRefused);
            };
            if !self.accepts(node.scheme) {
                return Err(PathFailure::AlgorithmRefused);
            }
            let verified = node
                .scheme
                .verifies(key, node.view.tbs, node.view.signature);
            self.spend_signature()?;
            self.signed.insert((issuer, certificate), verified);
            verified
        };
        if verified {
            Ok(())
        } else {
            Err(PathFailure::SignatureInvalid)
        }
    }

    pub(super) fn accepts(&self, scheme: super::cert::Scheme) -> bool {
        scheme.is_among(self.policy.algorithms)
    }
}

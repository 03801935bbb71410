//! The status of one certificate of a path (RFC 5280 6.3).
//!
//! All usable lists that cover the certificate are found first and only then read. Of lists with one scope the newest
//! speaks, with its delta if there is one; an older one is still heard when it names a revocation for good, because
//! such an entry does not go away before the certificate ends. *Good* needs lists that together cover every
//! reason; *revoked* needs one.

use super::{
    PathFailure,
    bag::{HOLD, List, Listed, REMOVE_FROM_CRL},
    engine::{Engine, Index},
};
use crate::{
    extension::{DistributionPoint, GeneralName, KeyUsage, PointName, ReasonFlags},
    name::CanonicalName,
    path::cert::Node,
};

/// How deep signers of lists may be looked for: a list's signer, and the signer of the list about it.
const MAX_BESIDE: usize = 3;

/// What is known about a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Good,
    Revoked,
    Unknown,
}

impl<'a> Engine<'a> {
    /// The status of `subject`, issued by `issuer`, on a path from `anchor`.
    pub(crate) fn status(
        &mut self,
        subject: Index,
        issuer: Index,
        anchor: Index,
        beside: &mut Vec<Index>,
    ) -> Result<Status, PathFailure> {
        let key = (subject, issuer, anchor);
        if beside.is_empty()
            && let Some(known) = self.statuses.get(&key)
        {
            return Ok(*known);
        }
        let mut usable = Vec::new();
        for index in 0..self.lists.len() {
            let list = &self.lists[index];
            if !self.is_current(list) {
                continue;
            }
            let names = names_in_points(&self.nodes[subject]).max(1);
            self.spend_work(names.saturating_mul(names_in_list(list).max(1)))?;
            let reasons = covered_reasons(list, &self.nodes[subject]);
            if reasons.0 == 0 {
                continue;
            }
            if self.is_trusted(index, issuer, anchor, beside)? {
                // An entry has some forty octets; it is read twice, for shape and for its serial number.
                self.spend_work(self.lists[index].body.entries.len() / 20)?;
                if self.lists[index].entries_usable() {
                    usable.push((index, reasons));
                }
            }
        }
        let status = self.judge(&self.nodes[subject], &usable);
        if beside.is_empty() {
            self.statuses.insert(key, status);
        }
        Ok(status)
    }

    fn is_current(&self, list: &List<'_>) -> bool {
        list.body.this_update <= self.at
            && list.body.next_update.is_some_and(|next| self.at <= next)
    }

    /// Reads the usable lists.
    fn judge(&self, subject: &Node<'_>, usable: &[(usize, ReasonFlags)]) -> Status {
        let mut covered = 0;
        let mut complete: Vec<_> = usable
            .iter()
            .map(|(index, reasons)| (&self.lists[*index], *reasons))
            .filter(|(list, _)| !list.is_delta())
            .collect();
        complete.sort_by(|(a, _), (b, _)| {
            (b.body.this_update, &b.number, b.sha256).cmp(&(
                a.body.this_update,
                &a.number,
                a.sha256,
            ))
        });
        let deltas: Vec<_> = usable
            .iter()
            .map(|(index, _)| &self.lists[*index])
            .filter(|list| list.is_delta())
            .collect();
        for (position, (list, reasons)) in complete.iter().enumerate() {
            let is_newest = !complete[..position]
                .iter()
                .any(|(newer, _)| same_scope(newer, list));
            let mut listed = list.look_up(&subject.issuer, subject.view.serial);
            if is_newest {
                if let Some(delta) = newest_delta(list, &deltas) {
                    match delta.look_up(&subject.issuer, subject.view.serial) {
                        Listed::Yes(REMOVE_FROM_CRL) => listed = Listed::No,
                        Listed::Yes(reason) => listed = Listed::Yes(reason),
                        Listed::No => {}
                    }
                }
                covered |= reasons.0;
            }
            match listed {
                Listed::Yes(HOLD) if !is_newest => {}
                Listed::Yes(_) => return Status::Revoked,
                Listed::No => {}
            }
        }
        if covered & ReasonFlags::ALL.0 == ReasonFlags::ALL.0 {
            Status::Good
        } else {
            Status::Unknown
        }
    }

    /// Whether the list was signed by a key that may do so for certificates of `issuer` under `anchor`: the
    /// issuer's own key, or one of the list issuer's name that is proved under the same anchor (6.3.3 (f)). Where the
    /// list speaks in the issuer's own name, such a key must come from the same parent or from the issuer itself:
    /// another branch of the hierarchy that takes the name does not get the voice.
    fn is_trusted(
        &mut self,
        list: usize,
        issuer: Index,
        anchor: Index,
        beside: &mut Vec<Index>,
    ) -> Result<bool, PathFailure> {
        let name = self.lists[list].issuer.clone();
        if self.nodes[issuer].subject == name && self.has_signed(list, issuer)? {
            return Ok(true);
        }
        for candidate in self.named(&name) {
            if candidate == issuer || beside.contains(&candidate) {
                continue;
            }
            let (other, own) = (&self.nodes[candidate], &self.nodes[issuer]);
            let same_branch = own.subject != name
                || other.is_self_issued()
                || own.is_self_issued()
                || other.issuer == own.issuer;
            if self.is_anchor(candidate) && candidate != anchor || !same_branch {
                continue;
            }
            if self.has_signed(list, candidate)?
                && (candidate == anchor || self.is_proved(candidate, anchor, beside)?)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn has_signed(&mut self, list: usize, signer: Index) -> Result<bool, PathFailure> {
        if let Some(known) = self.list_signed.get(&(signer, list)) {
            return Ok(*known);
        }
        let (node, signed) = (&self.nodes[signer], &self.lists[list]);
        let by_key = match (signed.authority_key_id, node.ext.subject_key_id) {
            (Some(wanted), Some(has)) => wanted == has,
            _ => true,
        };
        let verified = by_key
            && node.may(KeyUsage::CRL_SIGN)
            && self.accepts(signed.scheme)
            && node
                .key
                .as_ref()
                .is_ok_and(|key| signed.scheme.verifies(key, signed.tbs, signed.signature));
        if by_key {
            self.spend_signature()?;
        }
        self.list_signed.insert((signer, list), verified);
        Ok(verified)
    }

    /// Whether a certificate beside the path is itself good under the anchor.
    fn is_proved(
        &mut self,
        candidate: Index,
        anchor: Index,
        beside: &mut Vec<Index>,
    ) -> Result<bool, PathFailure> {
        if let Some(known) = self.list_issuers.get(&(candidate, anchor)) {
            return Ok(*known);
        }
        if beside.len() == MAX_BESIDE {
            return Ok(false);
        }
        beside.push(candidate);
        let found = self.find(candidate, Some(anchor), beside);
        beside.pop();
        match found {
            Err(PathFailure::BudgetExhausted) => Err(PathFailure::BudgetExhausted),
            found => {
                let proved = found.is_ok();
                if beside.is_empty() {
                    // Deeper answers depend on who was asking.
                    self.list_issuers.insert((candidate, anchor), proved);
                }
                Ok(proved)
            }
        }
    }
}

/// Names that are compared when a list is held against the certificate's distribution points.
fn names_in_points(node: &Node<'_>) -> usize {
    let of = |point: &DistributionPoint<'_>| {
        let full = match &point.name {
            Some(PointName::Full(names)) => names.len(),
            _ => 1,
        };
        full + point.crl_issuer.as_ref().map_or(0, Vec::len)
    };
    node.ext.points.iter().map(of).sum()
}

fn names_in_list(list: &List<'_>) -> usize {
    match list.point.as_ref().and_then(|point| point.name.as_ref()) {
        Some(PointName::Full(names)) => names.len(),
        _ => 1,
    }
}

/// Lists of one issuer for one set of certificates.
fn same_scope(one: &List<'_>, other: &List<'_>) -> bool {
    one.issuer == other.issuer
        && one.point_raw == other.point_raw
        && one.authority_key_id == other.authority_key_id
}

/// RFC 5280 5.2.4: same scope, a base that is not newer than the list, and itself newer than the list.
fn newest_delta<'l, 'a>(list: &List<'a>, deltas: &[&'l List<'a>]) -> Option<&'l List<'a>> {
    deltas
        .iter()
        .filter(|delta| same_scope(delta, list))
        .filter(|delta| delta.base <= list.number && delta.number > list.number)
        .max_by(|a, b| (&a.number, a.sha256).cmp(&(&b.number, b.sha256)))
        .copied()
}

/// The reasons for which the list covers the certificate; none if it is not about it (6.3.3 (b), (d)).
pub(crate) fn covered_reasons(list: &List<'_>, subject: &Node<'_>) -> ReasonFlags {
    const NONE: ReasonFlags = ReasonFlags(0);
    let own = list
        .point
        .as_ref()
        .and_then(|point| point.only_some_reasons)
        .unwrap_or(ReasonFlags::ALL);
    if let Some(point) = &list.point {
        let wrong_kind = point.only_attribute
            || point.only_user && subject.ext.is_ca()
            || point.only_ca && !subject.ext.is_ca();
        if wrong_kind || point.only_user && subject.view.version == 1 {
            return NONE;
        }
    }
    let mut reasons = 0;
    for point in &subject.ext.points {
        if serves(list, point, subject) {
            reasons |= point.reasons.unwrap_or(ReasonFlags::ALL).0 & own.0;
        }
    }
    // The last paragraph of 6.3.3: lists of the issuer itself that no distribution point names.
    if list.issuer == subject.issuer && point_names(list).is_none() {
        let named_elsewhere = subject
            .ext
            .points
            .iter()
            .all(|point| point.crl_issuer.is_some());
        if subject.ext.points.is_empty() || !named_elsewhere {
            reasons |= own.0;
        }
    }
    ReasonFlags(reasons & ReasonFlags::ALL.0)
}

/// A name of a distribution point in a form that can be compared.
#[derive(PartialEq, Eq)]
enum Key {
    Directory(CanonicalName),
    Other(u8, Vec<u8>),
}

fn serves(list: &List<'_>, point: &DistributionPoint<'_>, subject: &Node<'_>) -> bool {
    let by_issuer = match &point.crl_issuer {
        Some(names) => {
            list.is_indirect() && keys(names).contains(&Key::Directory(list.issuer.clone()))
        }
        None => list.issuer == subject.issuer,
    };
    if !by_issuer {
        return false;
    }
    let Some(wanted) = point_names(list) else {
        return true;
    };
    let offered = match &point.name {
        Some(PointName::Full(names)) => keys(names),
        Some(PointName::Relative(rdn)) => {
            let base = point
                .crl_issuer
                .as_ref()
                .and_then(|names| keys(names).into_iter().next());
            match base {
                Some(Key::Directory(name)) => extended(&name, rdn),
                _ => extended(&subject.issuer, rdn),
            }
        }
        None => point
            .crl_issuer
            .as_ref()
            .map(|names| keys(names))
            .unwrap_or_default(),
    };
    wanted.iter().any(|name| offered.contains(name))
}

/// The names in the list's own distribution point; `None` if it is for all certificates of its issuer.
fn point_names(list: &List<'_>) -> Option<Vec<Key>> {
    match list.point.as_ref()?.name.as_ref()? {
        PointName::Full(names) => Some(keys(names)),
        PointName::Relative(rdn) => Some(extended(&list.issuer, rdn)),
    }
}

fn keys(names: &[GeneralName<'_>]) -> Vec<Key> {
    names
        .iter()
        .filter_map(|name| match name {
            GeneralName::Directory(raw) => CanonicalName::read(raw).ok().map(Key::Directory),
            GeneralName::Uri(text) => Some(Key::Other(6, text.to_vec())),
            GeneralName::Dns(text) => Some(Key::Other(2, text.to_ascii_lowercase())),
            GeneralName::Email(text) => Some(Key::Other(1, text.to_vec())),
            _ => None,
        })
        .collect()
}

/// nameRelativeToCRLIssuer.
fn extended(base: &CanonicalName, rdn: &[u8]) -> Vec<Key> {
    let mut full = base.clone();
    match full.push_rdn(rdn) {
        Ok(()) => vec![Key::Directory(full)],
        Err(_) => Vec::new(),
    }
}

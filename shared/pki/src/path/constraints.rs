//! Name constraints (RFC 5280 4.2.1.10): which names a CA may certify below itself.
//!
//! Every set of constraints above a certificate must permit each of its names: a name is permitted if no subtree of its
//! type is permitted at all or one of them contains it, and no excluded subtree contains it. Types that are not
//! compared here (x400Address, ediPartyName, registeredID) make the certificate unacceptable as soon as both a
//! constraint and a name of the type exist, as section 6.1.4 demands.
//!
//! Three thousand names under three thousand subtrees are nine million comparisons: they are counted beforehand, and
//! beyond [`MAX_COMPARISONS`] the path is refused unexamined, whether or not the types would have met.

mod matching;

use matching::{host_within, is_host_pattern, is_network, uri_host, within};

use crate::{
    der::{DerError, Reader, SEQUENCE, constructed},
    extension::{GeneralName, general_name},
    name::CanonicalName,
    oid::EMAIL_ADDRESS,
    path::cert::Node,
};

/// Names times subtrees above them: 1,024 names and a subject under 1,024 subtrees.
const MAX_COMPARISONS: usize = 1_050_000;
/// The same for URIs, which are many in some certificates and of which only the host is compared.
const MAX_URI_COMPARISONS: usize = 4 * MAX_COMPARISONS;
const URI: u8 = 6;

/// `NameConstraints`.
#[derive(Default)]
pub(crate) struct NameConstraints<'a> {
    permitted: Vec<Subtree<'a>>,
    excluded: Vec<Subtree<'a>>,
}

/// The base of a `GeneralSubtree`.
enum Subtree<'a> {
    Directory(CanonicalName),
    Other(GeneralName<'a>),
}

/// Why names are not acceptable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    NotPermitted,
    TooMany,
}

/// The tag number of `GeneralName`: which names a subtree is about.
const fn kind(name: &GeneralName<'_>) -> u8 {
    match name {
        GeneralName::Other { .. } => 0,
        GeneralName::Email(_) => 1,
        GeneralName::Dns(_) => 2,
        GeneralName::Directory(_) => 4,
        GeneralName::Uri(_) => 6,
        GeneralName::Ip(_) => 7,
        GeneralName::Unread(number) => *number,
    }
}

impl Subtree<'_> {
    const fn kind(&self) -> u8 {
        match self {
            Self::Directory(_) => 4,
            Self::Other(name) => kind(name),
        }
    }
}

impl<'a> NameConstraints<'a> {
    pub(crate) fn read(value: &'a [u8]) -> Result<Self, DerError> {
        let mut inner = Reader::only(value, SEQUENCE, "name constraints that are no SEQUENCE")?;
        let permitted = subtrees(&mut inner, 0)?;
        let excluded = subtrees(&mut inner, 1)?;
        inner.finish("octets after the name constraints")?;
        if permitted.is_empty() && excluded.is_empty() {
            return Err(DerError("empty name constraints"));
        }
        Ok(Self {
            permitted,
            excluded,
        })
    }

    /// What one comparison with every subtree costs: about URIs, and about other names. A directoryName counts for as
    /// many as it has RDNs.
    fn weight(&self) -> (usize, usize) {
        let all = self.permitted.iter().chain(&self.excluded);
        all.fold((0, 0), |(uris, others), subtree| match subtree {
            Subtree::Directory(name) => (uris, others + name.len().max(1)),
            Subtree::Other(GeneralName::Uri(_)) => (uris + 1, others),
            Subtree::Other(_) => (uris, others + 1),
        })
    }

    fn allows(&self, name: &Name<'_>) -> bool {
        let same = |subtree: &&Subtree<'_>| subtree.kind() == name.kind();
        let mut permitted = self.permitted.iter().filter(same).peekable();
        if permitted.peek().is_some() && !permitted.any(|subtree| name.within(subtree)) {
            return false;
        }
        !self
            .excluded
            .iter()
            .filter(same)
            .any(|subtree| name.touches(subtree))
    }
}

/// `GeneralSubtrees`: `minimum` and `maximum` are not used in RFC 5280, so they may not be there.
fn subtrees<'a>(inner: &mut Reader<'a>, number: u8) -> Result<Vec<Subtree<'a>>, DerError> {
    let Some(wrapped) = inner.optional(constructed(number))? else {
        return Ok(Vec::new());
    };
    let mut list = Reader::new(wrapped.value);
    let mut found = Vec::new();
    while !list.is_empty() {
        let mut one = list.open(SEQUENCE, "a subtree that is no SEQUENCE")?;
        let base = general_name(&mut one)?;
        one.finish("a subtree with minimum or maximum")?;
        found.push(match base {
            GeneralName::Directory(name) => Subtree::Directory(CanonicalName::read(name)?),
            GeneralName::Ip(octets) if !is_network(octets) => {
                return Err(DerError("a network with a mask that is none"));
            }
            GeneralName::Dns(host) if !is_host_pattern(host) => {
                return Err(DerError("a constraint that is no host name"));
            }
            other => Subtree::Other(other),
        });
    }
    if found.is_empty() {
        return Err(DerError("an empty list of subtrees"));
    }
    Ok(found)
}

/// A name of the certificate under examination.
enum Name<'a> {
    Directory(CanonicalName),
    Other(GeneralName<'a>),
}

impl Name<'_> {
    const fn kind(&self) -> u8 {
        match self {
            Self::Directory(_) => 4,
            Self::Other(name) => kind(name),
        }
    }

    /// For permitted subtrees: certainly inside.
    fn within(&self, subtree: &Subtree<'_>) -> bool {
        match (self, subtree) {
            (Self::Directory(name), Subtree::Directory(base)) => name.starts_with(base),
            (Self::Other(name), Subtree::Other(base)) => within(name, base),
            _ => false,
        }
    }

    /// For excluded subtrees: inside, or not comparable, or a wildcard that could be inside, or a URI on the host of one
    /// that is excluded.
    fn touches(&self, subtree: &Subtree<'_>) -> bool {
        if self.within(subtree) {
            return true;
        }
        match (self, subtree) {
            (Self::Other(GeneralName::Unread(_)), _) => true,
            (Self::Other(GeneralName::Dns(name)), Subtree::Other(GeneralName::Dns(base))) => name
                .strip_prefix(b"*.")
                .is_some_and(|parent| host_within(base, parent)),
            (Self::Other(GeneralName::Uri(name)), Subtree::Other(GeneralName::Uri(base))) => {
                uri_host(base).is_some_and(|base| {
                    uri_host(name).is_some_and(|host| host.eq_ignore_ascii_case(base))
                })
            }
            _ => false,
        }
    }
}

/// Holds every name of a certificate against all constraints above it.
pub(crate) fn check(node: &Node<'_>, above: &[&NameConstraints<'_>]) -> Result<(), Refusal> {
    if above.is_empty() {
        return Ok(());
    }
    let names = names_of(node);
    let (uris, others) = comparisons(&names, above);
    if uris > MAX_URI_COMPARISONS || others > MAX_COMPARISONS {
        return Err(Refusal::TooMany);
    }
    if names
        .iter()
        .all(|name| above.iter().all(|set| set.allows(name)))
    {
        Ok(())
    } else {
        Err(Refusal::NotPermitted)
    }
}

/// How many comparisons [`check`] will make at most.
pub(crate) fn cost(node: &Node<'_>, above: &[&NameConstraints<'_>]) -> usize {
    if above.is_empty() {
        return 0;
    }
    let (uris, others) = comparisons(&names_of(node), above);
    // What is refused unexamined costs nothing.
    if uris > MAX_URI_COMPARISONS || others > MAX_COMPARISONS {
        return 0;
    }
    uris + others
}

fn comparisons(names: &[Name<'_>], above: &[&NameConstraints<'_>]) -> (usize, usize) {
    let uris = names.iter().filter(|name| name.kind() == URI).count();
    let (uri_subtrees, subtrees) = above
        .iter()
        .map(|set| set.weight())
        .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    (
        uris.saturating_mul(uri_subtrees),
        (names.len() - uris).saturating_mul(subtrees),
    )
}

/// Subject, subjectAltName, and mail addresses in the subject where there are none elsewhere.
fn names_of<'a>(node: &Node<'a>) -> Vec<Name<'a>> {
    let mut names = Vec::new();
    if !node.subject.is_empty() {
        names.push(Name::Directory(node.subject.clone()));
    }
    for name in &node.ext.alt_names {
        names.push(match name {
            // Reading the certificate has read this name once already.
            GeneralName::Directory(raw) => match CanonicalName::read(raw) {
                Ok(name) => Name::Directory(name),
                Err(_) => Name::Other(GeneralName::Unread(4)),
            },
            other => Name::Other(*other),
        });
    }
    if !names.iter().any(|name| name.kind() == 1) {
        names.extend(
            subject_addresses(node.view.subject)
                .into_iter()
                .map(|address| Name::Other(GeneralName::Email(address))),
        );
    }
    names
}

fn subject_addresses(subject: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let Ok(mut rdns) = Reader::only(subject, SEQUENCE, "a name") else {
        return found;
    };
    while let Ok(rdn) = rdns.any() {
        let attributes = crate::name::attributes(rdn.value).unwrap_or_default();
        found.extend(
            attributes
                .iter()
                .filter(|one| one.oid == EMAIL_ADDRESS)
                .map(|one| one.value.value),
        );
    }
    found
}

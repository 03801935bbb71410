//! Changes that know nothing of what they change: one element of the tree, drawn by lot, bent in one of a dozen ways.

use crate::{
    der::{Body, Form, Node},
    plan::Plan,
    rng::Rng,
};

/// Tags that stand for something else when put in place of another.
const TAGS: [u8; 14] = [
    0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0a, 0x0c, 0x13, 0x14, 0x16, 0x17, 0x18, 0x1e,
];

/// Changes one element, down into the values of extensions. The answer says how and where.
pub fn bend(plan: &mut Plan, rng: &mut Rng) -> String {
    let inside = rng.below(2) == 0 && plan.tbs.children().last().unwrap().tag & 0xc0 == 0x80;
    if !inside {
        let before = plan.tbs.clone();
        let how = bend_tree(&mut plan.tbs, rng);
        return format!("{how} in {}", place(&before, &plan.tbs));
    }
    let extensions = plan.extensions();
    let chosen = rng.below(extensions.len());
    let parts = extensions[chosen].children();
    let oid = hex::encode(parts[0].content());
    let value = parts.last_mut().unwrap().content();
    let mut tree = Node::read(value);
    let how = bend_tree(&mut tree, rng);
    *value = tree.write();
    format!("{how} in the value of {}", named(&oid))
}

/// Which part of what is signed has changed: its position, or which extension.
fn place(before: &Node, after: &Node) -> String {
    let (Body::Parts(old), Body::Parts(new)) = (&before.body, &after.body) else {
        return "all that is signed".to_owned();
    };
    let differs = |(one, other): &(&Node, &Node)| one.write() != other.write();
    let changed: Vec<_> = old.iter().zip(new).filter(differs).collect();
    let ([(one, other)], true) = (changed.as_slice(), old.len() == new.len()) else {
        return "all that is signed".to_owned();
    };
    if one.tag & 0xc0 == 0x80 && other.tag == one.tag && matches!(other.body, Body::Parts(_)) {
        return place_of_extension(one, other);
    }
    let position = old
        .iter()
        .position(|part| std::ptr::eq(part, *one))
        .unwrap();
    let names = [
        "version",
        "serial",
        "algorithm",
        "issuer",
        "validity",
        "subject",
        "key",
        "extensions",
    ];
    format!("field {}", names.get(position).unwrap_or(&"more"))
}

fn place_of_extension(before: &Node, after: &Node) -> String {
    let list = |node: &Node| {
        let mut node = node.clone();
        let first = node.children().first_mut().cloned();
        first.map_or(Vec::new(), |one| match one.body {
            Body::Parts(parts) => parts,
            Body::Octets(_) => Vec::new(),
        })
    };
    let (old, new) = (list(before), list(after));
    let pair = old
        .iter()
        .zip(&new)
        .find(|(one, other)| one.write() != other.write());
    match pair {
        Some((one, _)) if old.len() == new.len() => {
            let oid = one.clone().children()[0].content().clone();
            format!("extension {}", named(&hex::encode(oid)))
        }
        _ => "the list of extensions".to_owned(),
    }
}

/// The names of the extensions that the certificates and lists here carry, by their OIDs' content.
fn named(oid: &str) -> &str {
    match oid {
        "551d0e" => "subjectKeyIdentifier",
        "551d0f" => "keyUsage",
        "551d11" => "subjectAltName",
        "551d12" => "issuerAltName",
        "551d14" => "cRLNumber",
        "551d1c" => "issuingDistributionPoint",
        "551d1f" => "cRLDistributionPoints",
        "551d20" => "certificatePolicies",
        "551d23" => "authorityKeyIdentifier",
        "551d25" => "extKeyUsage",
        "2b06010505070101" => "authorityInfoAccess",
        other => other,
    }
}

fn bend_tree(tree: &mut Node, rng: &mut Rng) -> &'static str {
    let number = rng.below(tree.size());
    let node = tree.at(number);
    match rng.below(12) {
        0 => {
            node.tag ^= 1 << rng.below(8);
            "a bit of a tag"
        }
        1 if matches!(node.body, Body::Octets(_)) => {
            node.tag = TAGS[rng.below(TAGS.len())];
            "another primitive tag"
        }
        2 => {
            node.form = [
                Form::Padded,
                Form::Indefinite,
                Form::TooLong,
                Form::TooShort,
            ][rng.below(4)];
            "a length in another form"
        }
        _ => match &mut node.body {
            Body::Octets(octets) => bend_octets(octets, rng),
            Body::Parts(parts) => bend_parts(parts, rng),
        },
    }
}

fn bend_octets(octets: &mut Vec<u8>, rng: &mut Rng) -> &'static str {
    let place = if octets.is_empty() {
        octets.push(rng.octet());
        return "an octet where none was";
    } else {
        rng.below(octets.len())
    };
    match rng.below(7) {
        0 => {
            octets[place] = rng.octet();
            "another octet"
        }
        1 => {
            octets.remove(place);
            "an octet less"
        }
        2 => {
            octets.insert(place, rng.octet());
            "an octet more"
        }
        3 => {
            octets.insert(0, 0);
            "a leading zero"
        }
        4 => {
            octets.clear();
            "no content"
        }
        _ => {
            octets[place] ^= 1 << rng.below(8);
            "a bit"
        }
    }
}

fn bend_parts(parts: &mut Vec<Node>, rng: &mut Rng) -> &'static str {
    if parts.is_empty() {
        parts.push(Node::octets(0x05, &[]));
        return "a part where none was";
    }
    let place = rng.below(parts.len());
    match rng.below(5) {
        0 => {
            parts.remove(place);
            "a part less"
        }
        1 => {
            parts.insert(place, parts[place].clone());
            "a part twice"
        }
        2 => {
            let other = rng.below(parts.len());
            parts.swap(place, other);
            "two parts in each other's place"
        }
        3 => {
            parts.push(Node::octets(0x05, &[]));
            "a NULL at the end"
        }
        _ => {
            parts.clear();
            "no parts"
        }
    }
}

//! Changes to the extensions of a certificate, each with a name.

use crate::{
    der::Node,
    plan::{Mutations, Plan},
};

const KNOWN: [(&str, &str); 9] = [
    ("subjectKeyIdentifier", "2.5.29.14"),
    ("keyUsage", "2.5.29.15"),
    ("subjectAltName", "2.5.29.17"),
    ("issuerAltName", "2.5.29.18"),
    ("cRLDistributionPoints", "2.5.29.31"),
    ("certificatePolicies", "2.5.29.32"),
    ("authorityKeyIdentifier", "2.5.29.35"),
    ("extKeyUsage", "2.5.29.37"),
    ("authorityInfoAccess", "1.3.6.1.5.5.7.1.1"),
];
const KEY_USAGE: &str = "2.5.29.15";
const BASIC: &str = "2.5.29.19";
const POLICIES: &str = "2.5.29.32";
const AUTHORITY_KEY: &str = "2.5.29.35";
const PURPOSES: &str = "2.5.29.37";

pub fn all() -> Mutations {
    let mut all = Mutations(Vec::new());
    for (name, oid) in KNOWN {
        each(&mut all, name, oid);
    }
    shape(&mut all);
    added(&mut all);
    usages(&mut all);
    policies(&mut all);
    key_ids(&mut all);
    all
}

fn each(all: &mut Mutations, name: &str, oid: &'static str) {
    all.add(format!("{name} critical"), move |plan| {
        plan.set_critical(oid, true);
    });
    all.add(format!("{name} not critical"), move |plan| {
        plan.set_critical(oid, false);
    });
    all.add(format!("{name} gone"), move |plan| plan.remove(oid));
    all.add(format!("{name} twice"), move |plan| {
        if let Some(one) = plan.extension(oid).cloned() {
            plan.extensions().push(one);
        }
    });
    for (what, value) in [
        ("without value", vec![]),
        ("garbage", b"\x30\x03\x02\x01".to_vec()),
        ("an empty SEQUENCE", vec![0x30, 0]),
        ("NULL", vec![0x05, 0]),
    ] {
        all.add(format!("{name} {what}"), move |plan| {
            if let Some(one) = plan.extension(oid) {
                *one.children().last_mut().unwrap() = Node::octets(0x04, &value);
            }
        });
    }
    all.add(
        format!("{name} with an octet after its value"),
        move |plan| {
            if let Some(one) = plan.extension(oid) {
                one.children().last_mut().unwrap().content().push(0);
            }
        },
    );
    all.add(format!("{name} under an unknown type"), move |plan| {
        if let Some(one) = plan.extension(oid) {
            one.children()[0] = Node::oid("1.2.3.4.5");
        }
    });
}

fn shape(all: &mut Mutations) {
    all.add("extensions: none in the SEQUENCE", |plan| {
        plan.extensions().clear();
    });
    all.add("extensions: reversed", |plan| plan.extensions().reverse());
    for (name, octet) in [("FALSE written out", 0), ("TRUE as 1", 1)] {
        all.add(format!("extensions: {name}"), move |plan| {
            let one = plan.extensions().last_mut().unwrap();
            one.children().retain(|part| part.tag != 0x01);
            one.children().insert(1, Node::boolean(octet));
        });
    }
    all.add("extensions: one with four parts", |plan| {
        let one = plan.extensions().last_mut().unwrap();
        one.children().push(Node::octets(0x05, &[]));
    });
    all.add("extensions: seventy", |plan| {
        for arc in 0..70 {
            plan.put(&format!("1.2.3.4.{arc}"), false, &[0x05, 0]);
        }
    });
    all.add("extensions: an unknown one", |plan| {
        plan.put("1.2.3.4.5", false, &[0x05, 0]);
    });
    all.add("extensions: an unknown one, critical", |plan| {
        plan.put("1.2.3.4.5", true, &[0x05, 0]);
    });
}

fn added(all: &mut Mutations) {
    let basic = |ca: Option<u8>, length: Option<&[u8]>| {
        let mut parts = Vec::new();
        parts.extend(ca.map(Node::boolean));
        parts.extend(length.map(Node::int));
        Node::seq(parts).write()
    };
    for (name, value) in [
        ("empty", basic(None, None)),
        ("FALSE written out", basic(Some(0), None)),
        ("CA", basic(Some(0xff), None)),
        ("CA, TRUE as 1", basic(Some(1), None)),
        ("CA with a length", basic(Some(0xff), Some(&[0]))),
        ("a length without CA", basic(None, Some(&[0]))),
        ("a negative length", basic(Some(0xff), Some(&[0xff]))),
        ("NULL", vec![0x05, 0]),
    ] {
        for critical in [false, true] {
            let (value, word) = (value.clone(), if critical { ", critical" } else { "" });
            all.add(format!("basicConstraints {name}{word}"), move |plan| {
                plan.put(BASIC, critical, &value);
            });
        }
    }
    let excluded = "30 0f a1 0d 30 0b a4 09 30 07 31 05 30 03 06 01 2a";
    let subtree = "30 12 a0 10 30 0e a4 0c 30 0a 31 08 30 06 06 01 2a 0c 01 61";
    for (name, oid, value) in [
        ("nameConstraints", "2.5.29.30", subtree),
        ("nameConstraints malformed", "2.5.29.30", excluded),
        ("nameConstraints empty", "2.5.29.30", "30 00"),
        ("policyConstraints", "2.5.29.36", "30 03 80 01 00"),
        ("policyConstraints empty", "2.5.29.36", "30 00"),
        (
            "policyMappings",
            "2.5.29.33",
            "30 08 30 06 06 01 2a 06 01 2b",
        ),
        (
            "policyMappings from any",
            "2.5.29.33",
            "30 0b 30 09 06 04 55 1d 20 00 06 01 2b",
        ),
        ("inhibitAnyPolicy", "2.5.29.54", "02 01 00"),
        ("inhibitAnyPolicy negative", "2.5.29.54", "02 01 ff"),
        ("privateKeyUsagePeriod", "2.5.29.16", "30 00"),
        ("freshestCRL", "2.5.29.46", "30 00"),
        ("subjectDirectoryAttributes", "2.5.29.9", "30 00"),
        (
            "netscape certificate type",
            "2.16.840.1.113730.1.1",
            "03 02 07 80",
        ),
        (
            "proxyCertInfo",
            "1.3.6.1.5.5.7.1.14",
            "30 0c 30 0a 06 08 2b 06 01 05 05 07 15 01",
        ),
        ("subjectKeyIdentifier", "2.5.29.14", "04 03 01 02 03"),
        ("subjectKeyIdentifier empty", "2.5.29.14", "04 00"),
        ("subjectInfoAccess", "1.3.6.1.5.5.7.1.11", "30 00"),
    ] {
        for critical in [false, true] {
            let word = if critical { ", critical" } else { "" };
            all.add(format!("added: {name}{word}"), move |plan| {
                plan.put(oid, critical, &hex::decode(value.replace(' ', "")).unwrap());
            });
        }
    }
}

fn usages(all: &mut Mutations) {
    for (name, bits) in [
        ("no bit", &[0][..]),
        ("digitalSignature", &[7, 0x80]),
        ("both", &[6, 0xc0]),
        ("keyEncipherment", &[5, 0x20]),
        ("keyCertSign", &[2, 0x04]),
        ("cRLSign", &[1, 0x02]),
        ("both and keyCertSign", &[2, 0xc4]),
        ("zeros at the end", &[0, 0xc0]),
        ("nine bits", &[7, 0xc0, 0x80]),
        ("three octets", &[7, 0xc0, 0, 0x80]),
        ("unused bits set", &[6, 0xff]),
        ("unused bits of nothing", &[3]),
    ] {
        all.add(format!("keyUsage: {name}"), move |plan| {
            plan.put(KEY_USAGE, true, &Node::octets(0x03, bits).write());
        });
    }
    for (name, purposes) in [
        ("clientAuth", &["1.3.6.1.5.5.7.3.2"][..]),
        ("serverAuth", &["1.3.6.1.5.5.7.3.1"]),
        ("any", &["2.5.29.37.0"]),
        ("clientAuth twice", &["1.3.6.1.5.5.7.3.2"; 2]),
        (
            "clientAuth and emailProtection",
            &["1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.4"],
        ),
        ("none", &[]),
    ] {
        for critical in [false, true] {
            let word = if critical { ", critical" } else { "" };
            all.add(format!("extKeyUsage: {name}{word}"), move |plan| {
                let list = purposes.iter().map(|oid| Node::oid(oid)).collect();
                plan.put(PURPOSES, critical, &Node::seq(list).write());
            });
        }
    }
}

fn policies(all: &mut Mutations) {
    let policy = |oid: &str| Node::seq(vec![Node::oid(oid)]);
    let signature = "1.2.392.200149.8.5.1.0.20";
    let qualified = |qualifier: &str| {
        let one = Node::seq(vec![Node::oid(qualifier), Node::octets(0x16, b"http://x/")]);
        Node::seq(vec![Node::oid(signature), Node::seq(vec![one])])
    };
    for (name, list) in [
        (
            "of the other kind of test",
            vec![policy("1.2.392.200149.8.5.1.0.30")],
        ),
        ("of signature", vec![policy(signature)]),
        ("of production", vec![policy("1.2.392.200149.8.5.1.1.20")]),
        ("any", vec![policy("2.5.29.32.0")]),
        ("unknown", vec![policy("1.2.3.4")]),
        (
            "unknown and signature",
            vec![policy("1.2.3.4"), policy(signature)],
        ),
        ("twice", vec![policy(signature), policy(signature)]),
        ("none", vec![]),
        ("with a CPS pointer", vec![qualified("1.3.6.1.5.5.7.2.1")]),
        ("with an unknown qualifier", vec![qualified("1.2.3.4")]),
        (
            "with an empty list of qualifiers",
            vec![Node::seq(vec![Node::oid(signature), Node::seq(vec![])])],
        ),
    ] {
        let value = Node::seq(list).write();
        all.add(format!("policies: {name}"), move |plan| {
            plan.put(POLICIES, true, &value);
        });
    }
}

fn key_ids(all: &mut Mutations) {
    let edit = |all: &mut Mutations, name: &str, change: fn(&mut Vec<Node>)| {
        all.add(
            format!("authorityKeyIdentifier {name}"),
            move |plan: &mut Plan| {
                plan.edit(AUTHORITY_KEY, |value| change(value.children()));
            },
        );
    };
    edit(all, "without key id", |parts| {
        parts.retain(|one| one.tag != 0x80)
    });
    edit(all, "with key id alone", |parts| {
        parts.retain(|one| one.tag == 0x80)
    });
    edit(all, "with another key id", |parts| {
        parts[0].content()[0] ^= 1
    });
    edit(all, "with an empty key id", |parts| {
        parts[0].content().clear()
    });
    edit(all, "with another serial number", |parts| {
        if let Some(serial) = parts.iter_mut().find(|one| one.tag == 0x82) {
            *serial.content() = vec![0x77];
        }
    });
    edit(all, "with a serial number and no issuer", |parts| {
        parts.retain(|one| one.tag != 0xa1);
    });
    edit(all, "with an issuer and no serial number", |parts| {
        parts.retain(|one| one.tag != 0x82);
    });
    edit(all, "with another issuer", |parts| {
        if let Some(issuer) = parts.iter_mut().find(|one| one.tag == 0xa1) {
            issuer.children()[0].children()[0].children().pop();
        }
    });
}

//! Changes to a revocation list, each with a name.

use crate::{
    der::{Form, Node},
    plan::{Hash, Mutations, Plan},
};

const VERSION: usize = 0;
const ISSUER: usize = 2;
const THIS_UPDATE: usize = 3;
const NEXT_UPDATE: usize = 4;
const ENTRIES: usize = 5;

const AUTHORITY_KEY: &str = "2.5.29.35";
const NUMBER: &str = "2.5.29.20";
const POINT: &str = "2.5.29.28";

pub fn all() -> Mutations {
    let mut all = Mutations(Vec::new());
    all.add("nothing", |_| {});
    outside(&mut all);
    header(&mut all);
    times(&mut all);
    entries(&mut all);
    reasons(&mut all);
    extensions(&mut all);
    points(&mut all);
    all
}

fn outside(all: &mut Mutations) {
    all.add("an octet after the list", |plan| plan.after = vec![0]);
    all.add("an element after the signature", |plan| {
        plan.inside = vec![Node::octets(0x05, &[])];
    });
    all.add("unused bits in the signature", |plan| plan.unused_bits = 1);
    all.add("the outermost length padded", |plan| {
        plan.form = Form::Padded
    });
    all.add("what is signed, its length indefinite", |plan| {
        plan.tbs.form = Form::Indefinite;
    });
    all.add("SHA-512 outside only", |plan| {
        plan.algorithm = Hash::Sha512.identifier()
    });
    all.add("signed with SHA-512", |plan| {
        plan.hash = Hash::Sha512;
        plan.set_algorithm(&Hash::Sha512.identifier());
    });
    all.add("algorithm without parameters", |plan| {
        plan.inner_algorithm().children().pop();
        plan.algorithm.children().pop();
    });
}

fn header(all: &mut Mutations) {
    all.add("no version", |plan| {
        drop(plan.tbs.children().remove(VERSION))
    });
    for version in [0, 2] {
        all.add(format!("version {}", version + 1), move |plan| {
            *plan.field(VERSION) = Node::int(&[version]);
        });
    }
    all.add("issuer: an RDN less", |plan| {
        drop(plan.field(ISSUER).children().pop())
    });
    all.add("issuer: empty", |plan| {
        plan.field(ISSUER).children().clear()
    });
    all.add("issuer: lower case", |plan| {
        let rdn = plan.field(ISSUER).children().last_mut().unwrap();
        rdn.children()[0].children()[1]
            .content()
            .make_ascii_lowercase();
    });
    all.add("no extensions", |plan| drop(plan.tbs.children().pop()));
    all.add("no extensions, no version", |plan| {
        plan.tbs.children().pop();
        plan.tbs.children().remove(VERSION);
    });
}

fn times(all: &mut Mutations) {
    for (name, field, tag, value) in [
        ("thisUpdate in a second", THIS_UPDATE, 0x17, "261121120001Z"),
        (
            "thisUpdate, GeneralizedTime",
            THIS_UPDATE,
            0x18,
            "20261121110000Z",
        ),
        ("thisUpdate in 1950", THIS_UPDATE, 0x17, "500101000000Z"),
        (
            "thisUpdate without seconds",
            THIS_UPDATE,
            0x17,
            "2611211100Z",
        ),
        (
            "thisUpdate with an offset",
            THIS_UPDATE,
            0x17,
            "261121110000+0000",
        ),
        ("nextUpdate now", NEXT_UPDATE, 0x17, "261121120000Z"),
        ("nextUpdate in a second", NEXT_UPDATE, 0x17, "261121120001Z"),
        (
            "nextUpdate a second ago",
            NEXT_UPDATE,
            0x17,
            "261121115959Z",
        ),
        (
            "nextUpdate before thisUpdate",
            NEXT_UPDATE,
            0x17,
            "200101000000Z",
        ),
        ("nextUpdate in 9999", NEXT_UPDATE, 0x18, "99991231235959Z"),
        (
            "nextUpdate with a fraction",
            NEXT_UPDATE,
            0x18,
            "20261122120000.5Z",
        ),
        (
            "nextUpdate on 30 February",
            NEXT_UPDATE,
            0x17,
            "270230000000Z",
        ),
    ] {
        all.add(name, move |plan| {
            *plan.field(field) = Node::octets(tag, value.as_bytes())
        });
    }
    all.add("no nextUpdate", |plan| {
        drop(plan.tbs.children().remove(NEXT_UPDATE))
    });
    all.add("two nextUpdates", |plan| {
        let again = plan.field(NEXT_UPDATE).clone();
        plan.tbs.children().insert(NEXT_UPDATE, again);
    });
}

fn first(plan: &mut Plan) -> &mut Vec<Node> {
    plan.field(ENTRIES).children()[0].children()
}

fn entries(all: &mut Mutations) {
    all.add("no entries", |plan| {
        drop(plan.tbs.children().remove(ENTRIES))
    });
    all.add("an empty list of entries", |plan| {
        plan.field(ENTRIES).children().clear()
    });
    all.add("an entry twice", |plan| {
        let entries = plan.field(ENTRIES).children();
        entries.push(entries[0].clone());
    });
    all.add("an entry before", |plan| {
        let mut other = plan.field(ENTRIES).children()[0].clone();
        other.children()[0] = Node::int(&[0x7f, 0xff]);
        plan.field(ENTRIES).children().insert(0, other);
    });
    all.add("entry: serial not minimal", |plan| {
        first(plan)[0].content().insert(0, 0)
    });
    all.add("entry: serial negative", |plan| {
        first(plan)[0] = Node::int(&[0x80])
    });
    all.add("entry: serial zero", |plan| {
        first(plan)[0] = Node::int(&[0])
    });
    all.add("entry: serial of 21 octets", |plan| {
        first(plan)[0] = Node::int(&[0x7f; 21])
    });
    all.add("entry: no date", |plan| drop(first(plan).remove(1)));
    all.add("entry: a date to come", |plan| {
        first(plan)[1] = Node::octets(0x17, b"270101000000Z");
    });
    all.add("entry: a date that is none", |plan| {
        first(plan)[1] = Node::octets(0x17, b"269901000000Z");
    });
    all.add("entry: no extensions", |plan| first(plan).truncate(2));
    all.add("entry: an empty list of extensions", |plan| {
        first(plan)[2].children().clear()
    });
    all.add("entry: four parts", |plan| {
        first(plan).push(Node::octets(0x05, &[]))
    });
}

/// Gives the entry one more extension.
fn in_entry(plan: &mut Plan, oid: &str, critical: bool, value: &[u8]) {
    let wanted = Node::oid(oid).write();
    let list = first(plan)[2].children();
    list.retain_mut(|one| one.children()[0].write() != wanted);
    let mut parts = vec![Node::oid(oid)];
    if critical {
        parts.push(Node::boolean(0xff));
    }
    parts.push(Node::octets(0x04, value));
    list.push(Node::seq(parts));
}

fn reasons(all: &mut Mutations) {
    for code in 0..=11 {
        all.add(format!("entry: reason {code}"), move |plan| {
            in_entry(plan, "2.5.29.21", false, &[0x0a, 1, code]);
        });
    }
    for (name, oid, critical, value) in [
        ("reason critical", "2.5.29.21", true, "0a0101"),
        ("reason as INTEGER", "2.5.29.21", false, "020101"),
        ("reason without value", "2.5.29.21", false, ""),
        (
            "reason with an octet after it",
            "2.5.29.21",
            false,
            "0a010100",
        ),
        (
            "invalidity date",
            "2.5.29.24",
            false,
            "180f32303236313132303030303030305a",
        ),
        ("invalidity date malformed", "2.5.29.24", false, "1801"),
        (
            "certificate issuer, critical",
            "2.5.29.29",
            true,
            "300fa40d300b3109300706035504030c00",
        ),
        (
            "certificate issuer",
            "2.5.29.29",
            false,
            "300fa40d300b3109300706035504030c00",
        ),
        ("unknown", "1.2.3.4", false, "0500"),
        ("unknown, critical", "1.2.3.4", true, "0500"),
    ] {
        all.add(format!("entry: {name}"), move |plan| {
            in_entry(plan, oid, critical, &hex::decode(value).unwrap());
        });
    }
}

fn extensions(all: &mut Mutations) {
    for (name, oid) in [
        ("authorityKeyIdentifier", AUTHORITY_KEY),
        ("cRLNumber", NUMBER),
        ("issuingDistributionPoint", POINT),
    ] {
        all.add(format!("{name} gone"), move |plan| plan.remove(oid));
        all.add(format!("{name} twice"), move |plan| {
            if let Some(one) = plan.extension(oid).cloned() {
                plan.extensions().push(one);
            }
        });
        for critical in [false, true] {
            let word = if critical { "critical" } else { "not critical" };
            all.add(format!("{name} {word}"), move |plan| {
                plan.set_critical(oid, critical)
            });
        }
        for (what, value) in [("NULL", vec![5, 0]), ("without value", vec![])] {
            all.add(format!("{name} {what}"), move |plan| {
                if let Some(one) = plan.extension(oid) {
                    *one.children().last_mut().unwrap() = Node::octets(0x04, &value);
                }
            });
        }
    }
    all.add("authorityKeyIdentifier of another key", |plan| {
        plan.edit(AUTHORITY_KEY, |value| value.children()[0].content()[0] ^= 1);
    });
    for (name, number) in [
        ("negative", "0280".to_owned() + ""),
        ("of 21 octets", format!("0215{}", "7f".repeat(21))),
    ] {
        let value = hex::decode(if name == "negative" {
            "020180".to_owned()
        } else {
            number
        })
        .unwrap();
        all.add(format!("cRLNumber {name}"), move |plan| {
            plan.put(NUMBER, false, &value)
        });
    }
    for (name, oid, value) in [
        ("a delta", "2.5.29.27", "020101"),
        ("a freshest CRL", "2.5.29.46", "3000"),
        ("unknown", "1.2.3.4", "0500"),
    ] {
        for critical in [false, true] {
            let word = if critical { ", critical" } else { "" };
            all.add(format!("added: {name}{word}"), move |plan| {
                plan.put(oid, critical, &hex::decode(value).unwrap());
            });
        }
    }
    all.add("extensions: none in the SEQUENCE", |plan| {
        plan.extensions().clear()
    });
}

fn points(all: &mut Mutations) {
    for (name, flags) in [
        ("onlyContainsUserCerts", "8101ff"),
        ("onlyContainsCACerts", "8201ff"),
        ("onlySomeReasons", "83020640"),
        ("indirectCRL", "8401ff"),
        ("onlyContainsAttributeCerts", "8501ff"),
        ("user and CA", "8101ff8201ff"),
        ("FALSE written out", "810100"),
        ("TRUE as 1", "810101"),
        ("a part that does not exist", "860100"),
    ] {
        all.add(format!("point: {name}"), move |plan| {
            plan.edit(POINT, |value| {
                let bytes = hex::decode(flags).unwrap();
                let extra = Node::read(&[&[0x30, bytes.len() as u8][..], &bytes].concat());
                value.children().extend(extra.clone().children().clone());
            });
        });
        all.add(format!("point without name: {name}"), move |plan| {
            let bytes = hex::decode(flags).unwrap();
            plan.put(
                POINT,
                true,
                &[&[0x30, bytes.len() as u8][..], &bytes].concat(),
            );
        });
    }
    for (name, value) in [
        ("nothing in it", "3000"),
        ("a URI", "3010a00ea00c860a687474703a2f2f782f2f"),
        (
            "a name relative to the issuer",
            "3010a00ea10c300a060355040a0c03787878",
        ),
        ("no names", "3004a002a000"),
    ] {
        all.add(format!("point: {name}"), move |plan| {
            plan.put(POINT, true, &hex::decode(value).unwrap());
        });
    }
    all.add("point: another municipality", |plan| {
        plan.edit(POINT, |value| {
            let name = value.at(4);
            let rdn = name.children().last_mut().unwrap();
            rdn.children()[0].children()[1] = Node::utf8("Hino-shi CRLDP");
        });
    });
}

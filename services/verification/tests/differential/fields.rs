//! Changes to the fields of a certificate, each with a name.

use crate::{
    der::{Body, Form, Node},
    plan::{Hash, Mutations, Plan},
};

const VERSION: usize = 0;
const SERIAL: usize = 1;
const ISSUER: usize = 3;
const VALIDITY: usize = 4;
const SUBJECT: usize = 5;
const KEY: usize = 6;

pub fn all() -> Mutations {
    let mut all = Mutations(Vec::new());
    all.add("nothing", |_| {});
    outside(&mut all);
    version_and_serial(&mut all);
    algorithms(&mut all);
    for field in [ISSUER, SUBJECT] {
        names(&mut all, field);
    }
    validity(&mut all);
    keys(&mut all);
    all
}

fn outside(all: &mut Mutations) {
    all.add("an octet after the certificate", |plan| {
        plan.after = vec![0]
    });
    all.add("an element after the signature", |plan| {
        plan.inside = vec![Node::octets(0x05, &[])];
    });
    all.add("unused bits in the signature", |plan| plan.unused_bits = 1);
    all.add("the outermost length padded", |plan| {
        plan.form = Form::Padded;
    });
    all.add("the outermost length indefinite", |plan| {
        plan.form = Form::Indefinite;
    });
    all.add("the outer algorithm indefinite", |plan| {
        plan.algorithm.form = Form::Indefinite;
    });
    all.add("what is signed, its length padded", |plan| {
        plan.tbs.form = Form::Padded;
    });
    all.add("what is signed, its length indefinite", |plan| {
        plan.tbs.form = Form::Indefinite;
    });
}

fn version_and_serial(all: &mut Mutations) {
    for (name, value) in [
        ("version 2", 1),
        ("version 4", 3),
        ("version 1 written out", 0),
    ] {
        all.add(name, move |plan| {
            plan.field(VERSION).children()[0] = Node::int(&[value]);
        });
    }
    all.add("version 1 with extensions", |plan| {
        plan.tbs.children().remove(VERSION);
    });
    all.add("version 1 without extensions", |plan| {
        plan.tbs.children().pop();
        plan.tbs.children().remove(VERSION);
    });
    all.add("no extensions", |plan| {
        plan.tbs.children().pop();
    });
    let long = |octets: usize| vec![0x7f; octets];
    for (name, serial) in [
        ("serial zero", vec![0]),
        ("serial negative", vec![0x9f, 1]),
        ("serial of 20 octets", long(20)),
        (
            "serial of 20 octets with the high bit",
            [&[0][..], &[0xff; 20]].concat(),
        ),
        ("serial of 21 octets", long(21)),
        ("serial not minimal", vec![0, 1]),
        ("serial negative, not minimal", vec![0xff, 0x80]),
        ("serial without octets", vec![]),
    ] {
        all.add(name, move |plan| *plan.field(SERIAL) = Node::int(&serial));
    }
    all.add("an issuer unique id", |plan| {
        plan.tbs.children().insert(7, Node::octets(0x81, &[0, 1]));
    });
    all.add("an empty subject unique id", |plan| {
        plan.tbs.children().insert(7, Node::octets(0x82, &[]));
    });
}

fn algorithms(all: &mut Mutations) {
    for (name, hash) in [("SHA-384", Hash::Sha384), ("SHA-512", Hash::Sha512)] {
        all.add(format!("signed with {name}"), move |plan| {
            plan.hash = hash;
            plan.set_algorithm(&hash.identifier());
        });
        all.add(format!("{name} outside only"), move |plan| {
            plan.algorithm = hash.identifier();
        });
        all.add(format!("{name} inside only"), move |plan| {
            *plan.inner_algorithm() = hash.identifier();
        });
        all.add(format!("{name} named, SHA-256 used"), move |plan| {
            plan.set_algorithm(&hash.identifier());
        });
    }
    all.add("algorithm without parameters", |plan| {
        plan.inner_algorithm().children().pop();
        plan.algorithm.children().pop();
    });
    all.add("algorithm without parameters outside", |plan| {
        plan.algorithm.children().pop();
    });
    all.add("algorithm with other parameters", |plan| {
        let mut odd = Hash::Sha256.identifier();
        odd.children()[1] = Node::int(&[1]);
        plan.set_algorithm(&odd);
    });
    all.add("algorithm with three parts", |plan| {
        let mut odd = Hash::Sha256.identifier();
        odd.children().push(Node::octets(0x05, &[]));
        plan.set_algorithm(&odd);
    });
    for (name, arc) in [("MD5", 4), ("SHA-1", 5), ("PSS", 10), ("no hash", 1)] {
        all.add(format!("{name} named, SHA-256 used"), move |plan| {
            plan.set_algorithm(&Node::seq(vec![
                Node::oid(&format!("1.2.840.113549.1.1.{arc}")),
                Node::octets(0x05, &[]),
            ]));
        });
    }
}

/// The value of the last attribute of a name that has one of these types.
fn text(plan: &mut Plan, field: usize) -> &mut Node {
    let rdn = plan.field(field).children().last_mut().unwrap();
    &mut rdn.children()[0].children()[1]
}

fn names(all: &mut Mutations, field: usize) {
    let of = if field == ISSUER { "issuer" } else { "subject" };
    for (name, tag) in [
        ("PrintableString", 0x13),
        ("IA5String", 0x16),
        ("T61String", 0x14),
        ("OCTET STRING", 0x04),
    ] {
        all.add(format!("{of}: {name}"), move |plan| {
            text(plan, field).tag = tag
        });
    }
    for (name, tag, width) in [("BMPString", 0x1e, 2), ("UniversalString", 0x1c, 4)] {
        all.add(format!("{of}: {name}"), move |plan| {
            let node = text(plan, field);
            let mut wide = Vec::new();
            for octet in node.content().iter() {
                wide.extend(vec![0; width - 1]);
                wide.push(*octet);
            }
            *node = Node::octets(tag, &wide);
        });
    }
    type Rewrite = (&'static str, fn(&str) -> String);
    let rewrite: [Rewrite; 8] = [
        ("upper case", |text| text.to_uppercase()),
        ("spaces around", |text| format!("  {text} ")),
        ("spaces doubled", |text| text.replace(' ', "  ")),
        ("spaces gone", |text| text.replace(' ', "")),
        ("full-width space", |text| format!("{text}\u{3000}")),
        ("NUL inside", |text| format!("{text}\0.evil")),
        ("one letter more", |text| format!("{text}x")),
        ("very long", |text| text.repeat(40)),
    ];
    for (name, change) in rewrite {
        all.add(format!("{of}: {name}"), move |plan| {
            let node = text(plan, field);
            let old = String::from_utf8(node.content().clone()).unwrap();
            *node = Node::utf8(&change(&old));
        });
    }
    for (name, tag, content) in [
        ("not UTF-8", 0x0c, &b"\xff\xfe"[..]),
        ("a surrogate in UTF-8", 0x0c, b"\xed\xa0\x80"),
        ("UTF-8 too long", 0x0c, b"\xc0\x80"),
        ("an at sign in a PrintableString", 0x13, b"a@b"),
        ("octets in an IA5String", 0x16, b"\xe3\x81\x82"),
        ("half a BMPString", 0x1e, b"\0a\0"),
        ("no text", 0x0c, b""),
    ] {
        all.add(format!("{of}: {name}"), move |plan| {
            *text(plan, field) = Node::octets(tag, content);
        });
    }
    all.add(format!("{of}: empty"), move |plan| {
        plan.field(field).children().clear();
    });
    all.add(format!("{of}: an empty RDN"), move |plan| {
        plan.field(field).children().push(Node::set(Vec::new()));
    });
    all.add(format!("{of}: RDNs reversed"), move |plan| {
        plan.field(field).children().reverse();
    });
    all.add(format!("{of}: the last RDN gone"), move |plan| {
        plan.field(field).children().pop();
    });
    all.add(format!("{of}: the last RDN twice"), move |plan| {
        let last = plan.field(field).children().last().unwrap().clone();
        plan.field(field).children().push(last);
    });
    all.add(format!("{of}: two RDNs in one"), move |plan| {
        let rdns = plan.field(field).children();
        let mut last = rdns.pop().unwrap();
        let Body::Parts(parts) = &mut last.body else {
            unreachable!()
        };
        rdns.last_mut().unwrap().children().append(parts);
    });
}

fn validity(all: &mut Mutations) {
    let utc = 0x17;
    let general = 0x18;
    for (name, end, tag, value) in [
        ("begins now", 0, utc, "261121120000Z"),
        ("begins in a second", 0, utc, "261121120001Z"),
        ("begins in 1950", 0, utc, "500101000000Z"),
        ("begins in 2049", 0, utc, "491231235959Z"),
        (
            "begins in 1970, GeneralizedTime",
            0,
            general,
            "19700101000000Z",
        ),
        ("begins in 0001", 0, general, "00010101000000Z"),
        ("begins, GeneralizedTime", 0, general, "20260101000000Z"),
        ("ends now", 1, utc, "261121120000Z"),
        ("ended a second ago", 1, utc, "261121115959Z"),
        ("ends in a second", 1, utc, "261121120001Z"),
        ("ends before it begins", 1, utc, "000101000000Z"),
        ("ends, GeneralizedTime", 1, general, "20300101000000Z"),
        ("ends in 2050", 1, general, "20500101000000Z"),
        ("ends in 9999", 1, general, "99991231235959Z"),
        ("no seconds", 1, utc, "3001010000Z"),
        ("an offset", 1, utc, "300101000000+0900"),
        ("no zone", 1, utc, "300101000000"),
        ("a fraction", 1, general, "20300101000000.5Z"),
        ("a small z", 1, utc, "300101000000z"),
        ("24 o'clock", 1, utc, "300101240000Z"),
        ("second 60", 1, utc, "301231235960Z"),
        ("30 February", 1, utc, "300230000000Z"),
        ("29 February 2028", 1, utc, "280229000000Z"),
        ("29 February 2030", 1, utc, "300229000000Z"),
        ("month 0", 1, utc, "300001000000Z"),
        ("month 13", 1, utc, "301301000000Z"),
        ("no digits", 1, utc, "3001O1000000Z"),
        (
            "a UTCTime with four digits of year",
            1,
            utc,
            "20300101000000Z",
        ),
        ("a GeneralizedTime with two", 1, general, "300101000000Z"),
        ("no text", 1, utc, ""),
    ] {
        all.add(format!("validity: {name}"), move |plan| {
            plan.field(VALIDITY).children()[end] = Node::octets(tag, value.as_bytes());
        });
    }
    all.add("validity: one time", |plan| {
        plan.field(VALIDITY).children().pop();
    });
    all.add("validity: three times", |plan| {
        let last = plan.field(VALIDITY).children()[1].clone();
        plan.field(VALIDITY).children().push(last);
    });
}

/// The RSAPublicKey inside the BIT STRING.
fn edit_key(plan: &mut Plan, change: impl FnOnce(&mut Node)) {
    let bits = plan.field(KEY).children()[1].content();
    let mut key = Node::read(&bits[1..]);
    change(&mut key);
    *bits = [&[0][..], &key.write()].concat();
}

fn keys(all: &mut Mutations) {
    for (name, exponent) in [
        ("exponent 1", vec![1]),
        ("exponent 3", vec![3]),
        ("exponent even", vec![1, 0, 0]),
        ("exponent negative", vec![0x81, 0, 1]),
        ("exponent of 5 octets", vec![1, 0, 0, 0, 1]),
        ("exponent zero", vec![0]),
    ] {
        all.add(format!("key: {name}"), move |plan| {
            edit_key(plan, |key| key.children()[1] = Node::int(&exponent));
        });
    }
    all.add("key: modulus even", |plan| {
        edit_key(plan, |key| {
            *key.children()[0].content().last_mut().unwrap() &= 0xfe
        });
    });
    all.add("key: modulus negative", |plan| {
        edit_key(plan, |key| {
            key.children()[0].content().remove(0);
        });
    });
    for octets in [32, 128, 255, 1025, 2049] {
        all.add(format!("key: modulus of {octets} octets"), move |plan| {
            let modulus = [&[0][..], &vec![0xc1; octets]].concat();
            edit_key(plan, |key| key.children()[0] = Node::int(&modulus));
        });
    }
    all.add("key: three parts", |plan| {
        edit_key(plan, |key| key.children().push(Node::int(&[1])));
    });
    all.add("key: octets after it", |plan| {
        plan.field(KEY).children()[1].content().push(0);
    });
    all.add("key: unused bits", |plan| {
        plan.field(KEY).children()[1].content()[0] = 1;
    });
    all.add("key: no parameters", |plan| {
        plan.field(KEY).children()[0].children().pop();
    });
    all.add("key: unknown algorithm", |plan| {
        plan.field(KEY).children()[0].children()[0] = Node::oid("1.2.3.4");
    });
    all.add("key: for PSS", |plan| {
        let identifier = &mut plan.field(KEY).children()[0];
        *identifier = Node::seq(vec![Node::oid("1.2.840.113549.1.1.10")]);
    });
    all.add("key: a curve", |plan| {
        let base = "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
        *plan.field(KEY) = Node::seq(vec![
            Node::seq(vec![Node::oid("1.2.840.10045.2.1"), Node::oid("1.2.840.10045.3.1.7")]),
            Node::octets(0x03, &[&[0][..], &hex::decode(base).unwrap()].concat()),
        ]);
    });
}

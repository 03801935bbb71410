//! Strict parsing, and attributes that are not as they should be.

use warikan_pki::{
    AttributeField, AttributeProblem, Attributes, Certificate, CheckName, CheckResult, examine,
    is_der, validate_certificate,
};

use crate::{
    der::{bits, extension, int, octets, oid, seq, tlv, utf8},
    keys::{CA, How},
    pki::{
        NOON, Plan, alt_name, anchors, at, attributes, good, key_id, other_name, policy,
        signature_leaf,
    },
};

fn refused(plan: &Plan, why: &str) {
    let der = plan.build();
    assert!(is_der(&der), "{why}: the outer SEQUENCE is fine");
    assert!(Certificate::parse(&der).is_err(), "{why}");
}

#[test]
fn f056_what_rfc_5280_forbids_is_refused() {
    let good = || signature_leaf(&CA);
    assert!(Certificate::parse(&good().build()).is_ok());

    let mut plan = good();
    plan.version = Vec::new();
    refused(&plan, "version 1 with extensions");
    plan.extensions.clear();
    refused(&plan, "version 1");
    let mut plan = good();
    plan.version = tlv(0xa0, &int(&[0]));
    refused(&plan, "the default version written out");
    let mut plan = good();
    plan.outer_algorithm = How::Sha512.algorithm();
    refused(&plan, "two different algorithms");
    let mut plan = good();
    plan.extensions.push(plan.extensions[0].clone());
    refused(&plan, "an extension twice");
    let mut plan = good();
    plan.not_after = tlv(0x17, b"300217145959+0900");
    refused(&plan, "a local time");
    let plan = good().extension(
        "2.5.29.15",
        Some(extension("2.5.29.15", true, &bits(0, &[0xc0]))),
    );
    refused(&plan, "a bit list with zeros at its end");
    let plan = good().extension("2.5.29.32", Some(extension("2.5.29.32", true, &seq(&[]))));
    refused(&plan, "no policies at all");
}

#[test]
fn f056_what_extensions_hold_is_read_to_the_end() {
    let with = |id: &str, value: &[u8]| {
        signature_leaf(&CA).extension(id, Some(extension(id, false, value)))
    };
    let good = |plan: &Plan, why: &str| {
        assert_eq!(Certificate::parse(&plan.build()).err(), None, "{why}");
    };

    let basic = |parts: &[Vec<u8>]| with("2.5.29.19", &seq(parts));
    refused(&basic(&[int(&[0])]), "a path length without cA");
    let written = [tlv(1, &[0]), int(&[0])];
    refused(&basic(&written), "a path length with cA FALSE");
    good(&basic(&[tlv(1, &[0xff]), int(&[0])]), "a CA");
    good(&basic(&[]), "no CA");

    let qualified = |kind: &str, value: &[u8]| {
        let qualifier = seq(&[oid(kind), value.to_vec()]);
        let policy = seq(&[oid("1.2.392.200149.8.5.1.0.20"), seq(&[qualifier])]);
        with("2.5.29.32", &seq(&[policy]))
    };
    const CPS: &str = "1.3.6.1.5.5.7.2.1";
    const NOTICE: &str = "1.3.6.1.5.5.7.2.2";
    good(&qualified(CPS, &tlv(0x16, b"http://a")), "an address");
    refused(
        &qualified(CPS, &utf8("http://a")),
        "an address in UTF8String",
    );
    refused(
        &qualified(CPS, &tlv(0x16, &[0x80])),
        "an address that is no ASCII",
    );
    refused(&qualified(CPS, &seq(&[])), "an address that is a structure");
    good(&qualified(NOTICE, &seq(&[])), "a notice of nothing");
    good(
        &qualified(NOTICE, &seq(&[utf8("told")])),
        "a notice of a text",
    );
    let reference = seq(&[utf8("J-LIS"), seq(&[int(&[1]), int(&[2])])]);
    good(
        &qualified(NOTICE, &seq(&[reference.clone(), utf8("told")])),
        "both",
    );
    refused(
        &qualified(NOTICE, &utf8("told")),
        "a notice that is no structure",
    );
    refused(
        &qualified(NOTICE, &seq(&[int(&[1])])),
        "a notice of a number",
    );
    let nameless = seq(&[int(&[1]), seq(&[int(&[1])])]);
    refused(
        &qualified(NOTICE, &seq(&[nameless])),
        "a reference to nobody",
    );
    good(
        &qualified("1.2.3", &int(&[1])),
        "a qualifier that is not known",
    );

    let named = |name: Vec<u8>| with("2.5.29.18", &seq(&[name]));
    let party = tlv(0xa1, &utf8("party"));
    good(&named(tlv(0xa5, &party)), "an ediPartyName");
    let assigned = [tlv(0xa0, &utf8("assigner")), party.clone()].concat();
    good(&named(tlv(0xa5, &assigned)), "an ediPartyName of two");
    refused(&named(tlv(0xa5, &[])), "an ediPartyName without party");
    refused(
        &named(tlv(0xa5, &tlv(0xa1, &int(&[1])))),
        "a party that is a number",
    );
    refused(
        &named(tlv(0xa5, &tlv(0xa1, &[0x0c, 1, 0xff]))),
        "a party that is no UTF-8",
    );
    refused(&named(tlv(0xa3, &[])), "an x400Address of nothing");
    refused(&named(tlv(0xa3, &[0x30, 5])), "an x400Address cut short");
    refused(&named(tlv(0x87, &[10, 0, 0])), "an address of three octets");
}

/// RFC 5280 4.2.1.1, 4.2.1.2 (MUST) and 4.2.1.7: not critical; whoever marks them so asks for more than is done with them.
#[test]
fn f039_key_ids_and_issuer_names_that_are_critical_break_the_profile() {
    let plan = || {
        let key = seq(&[tlv(0x80, &key_id(&CA))]);
        signature_leaf(&CA).extension("2.5.29.35", Some(extension("2.5.29.35", false, &key)))
    };
    let kept = |plan: &Plan| {
        let found = examine(&plan.build(), &anchors());
        let report = validate_certificate(&found, Some(&good()), &policy(), at(NOON));
        report.check(CheckName::Profile).unwrap().result == CheckResult::Passed
    };
    assert!(kept(&plan()));
    let id = octets(&key_id(&CA));
    let names = seq(&[tlv(0x82, b"a.example")]);
    let issuer = seq(&[tlv(0x80, &key_id(&CA))]);
    for (oid, value) in [
        ("2.5.29.14", id),
        ("2.5.29.18", names),
        ("2.5.29.35", issuer),
    ] {
        for critical in [false, true] {
            let changed = plan().extension(oid, Some(extension(oid, critical, &value)));
            assert_eq!(kept(&changed), !critical, "{oid}");
        }
    }
}

#[test]
fn f035_serial_numbers() {
    let with = |octets: &[u8]| {
        let mut plan = signature_leaf(&CA);
        plan.serial = int(octets);
        Certificate::parse(&plan.build()).map(|one| one.serial().octets().to_vec())
    };
    assert_eq!(with(&[0, 0x80]).unwrap(), [0x80], "the high bit is no sign");
    assert_eq!(with(&[0x7f; 20]).unwrap(), [0x7f; 20]);
    let twenty = [&[0][..], &[0xff; 20]].concat();
    assert_eq!(with(&twenty).unwrap(), [0xff; 20]);
    for bad in [&[0][..], &[0x80], &[0, 1], &[], &[1; 21]] {
        assert!(with(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn f035_the_same_serial_under_another_key_is_another_certificate() {
    let of = |key| {
        let set = warikan_pki::AnchorSet::new([(
            warikan_types::Environment::Sandbox,
            crate::pki::root("JPKI-TEST", key).build(),
        )])
        .unwrap();
        let found = examine(&signature_leaf(key).build(), &set);
        found.path().unwrap().certificate_id().clone()
    };
    let (one, other) = (of(&CA), of(&crate::keys::OTHER_CA));
    assert_eq!(one.serial, other.serial);
    assert_ne!(one, other);
}

fn read(names: &[Vec<u8>]) -> Attributes {
    let plan = signature_leaf(&CA).extension("2.5.29.17", Some(alt_name(names)));
    let certificate = Certificate::parse(&plan.build()).unwrap();
    certificate.attributes().unwrap().clone()
}

#[test]
fn f039_attributes_are_flagged_and_never_guessed() {
    let mut names = attributes();
    names.reverse();
    assert!(read(&names).is_complete(), "any order");

    let mut names = attributes();
    names.remove(0);
    let partial = read(&names);
    assert!(partial.name.is_none());
    assert_eq!(
        partial.problems,
        [AttributeProblem::Missing(AttributeField::Name)]
    );

    let mut names = attributes();
    names.push(other_name(1, &utf8("両儀　式")));
    let doubled = read(&names);
    assert!(doubled.name.is_none(), "neither of the two");
    assert_eq!(
        doubled.problems,
        [AttributeProblem::Duplicate(AttributeField::Name)]
    );

    let mut names = attributes();
    names[0] = other_name(1, &tlv(0x1e, &[0x9e, 0xd2]));
    assert_eq!(
        read(&names).problems,
        [AttributeProblem::NotUtf8String(AttributeField::Name)]
    );

    let mut names = attributes();
    names[2] = other_name(3, &utf8("7"));
    let odd = read(&names);
    assert_eq!(odd.sex.unwrap().expose(), "7");
    assert_eq!(
        odd.problems,
        [AttributeProblem::UnknownForm(AttributeField::Sex)]
    );
}

#[test]
fn f039_unknown_other_names_are_kept_and_rare_characters_untouched() {
    let mut names = attributes();
    names[0] = other_name(1, &utf8("𠮷田󠄀　ﾊﾅｺ"));
    let furigana = tlv(
        0xa0,
        &[oid("1.2.392.200149.8.5.5.7"), tlv(0xa0, &utf8("こくとう"))].concat(),
    );
    names.push(furigana);
    let read = read(&names);
    assert_eq!(read.name.as_ref().unwrap().expose(), "𠮷田󠄀　ﾊﾅｺ");
    assert_eq!(read.unknown.len(), 1);
    assert_eq!(read.unknown[0].oid.to_string(), "1.2.392.200149.8.5.5.7");
    assert_eq!(read.unknown[0].value.expose(), &utf8("こくとう"));
    assert!(read.is_complete());
}

#[test]
fn f039_invalid_utf8_breaks_the_certificate() {
    for bytes in [
        &b"\xff"[..],
        b"\xed\xa0\x80",
        b"\xc0\x80",
        b"\xf5\x80\x80\x80",
    ] {
        let mut names = attributes();
        names[0] = other_name(1, &tlv(0x0c, bytes));
        let plan = signature_leaf(&CA).extension("2.5.29.17", Some(alt_name(&names)));
        refused(&plan, "text that is no UTF-8");
    }
}

#[test]
fn nothing_personal_is_printed() {
    let der = signature_leaf(&CA).build();
    let found = examine(&der, &anchors());
    let printed = format!("{found:?}");
    for personal in ["黒桐", "1980", "13413221003A", "1ee607", "Kiyose"] {
        assert!(!printed.contains(personal), "{personal} in {printed}");
    }
}

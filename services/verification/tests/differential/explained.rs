//! Why the engine and OpenSSL may differ: the whole list.
//!
//! A row is about one side. *Stricter* rows are found by the engine's own word for its refusal, *laxer* rows by OpenSSL's error number
//! (`X509_V_ERR_..`); both may be limited to cases whose name contains a text, and the name of a case tells what was changed.
//! The first row that fits explains the difference.

use crate::openssl::Word;

/// Which of our two judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// `validate_path`, beside `openssl verify -x509_strict`.
    Path,
    /// `examine` and `validate_certificate`, beside the same with `-explicit_policy` and the two policies.
    Profile,
}

/// One reason to differ.
pub struct Row {
    pub key: &'static str,
    engines: &'static [Engine],
    /// Parts of the name of a case, of which one must occur; none for any case.
    cases: &'static [&'static str],
    what: What,
    pub why: &'static str,
}

enum What {
    /// OpenSSL accepts; these are beginnings of our word.
    Stricter(&'static [&'static str]),
    /// We accept; these are OpenSSL's words.
    Laxer(&'static [Word]),
}

use Engine::{Path, Profile};
use What::{Laxer, Stricter};
use Word::{Refused, Unreadable};

const BOTH: &[Engine] = &[Path, Profile];

const STRICTER: [Row; 12] = [
    Row {
        key: "extensions that OpenSSL does not open",
        engines: BOTH,
        cases: &["issuerAltName", "authorityInfoAccess"],
        what: Stricter(&["not a certificate"]),
        why: "it reads neither on the way to a verdict; RFC 5280 4.2.1.7 and 4.2.2.1 give them a form, and what has another is no such extension",
    },
    Row {
        key: "policies that OpenSSL does not open",
        engines: &[Path],
        cases: &[
            "certificatePolicies",
            "policies:",
            "policyConstraints",
            "inhibitAnyPolicy",
        ],
        what: Stricter(&["not a certificate"]),
        why: "without a policy asked for it does not read them; RFC 5280 6.1.3 (d) processes them always",
    },
    Row {
        key: "BER",
        engines: BOTH,
        cases: &[],
        what: Stricter(&[
            "not a certificate: a length that is not minimal",
            "not a certificate: a length form that DER does not have here",
            "not a certificate: a BOOLEAN that is not DER",
            "not a certificate: a named bit list that is not DER",
            "not a certificate: a default that DER does not write",
            "not a certificate: two different signature algorithms",
        ]),
        why: "OpenSSL reads BER where RFC 5280 4.1 asks for DER (X.690 10.1, 11.1, 11.2.2, 11.5); two encodings of one certificate would be two certificates with one signature",
    },
    Row {
        key: "octets to spare",
        engines: BOTH,
        cases: &[
            "an octet after",
            "TrailingData",
            "subjectKeyIdentifier",
            "extKeyUsage",
        ],
        what: Stricter(&[
            "not a certificate: not one SEQUENCE",
            "not a certificate: octets after",
            "not a certificate: policies that are no SEQUENCE",
            "not a certificate: names that are no SEQUENCE",
            "not a certificate: distribution points that are no SEQUENCE",
            "not a certificate: key purposes that are no SEQUENCE",
            "not a certificate: an authority key id that is no SEQUENCE",
        ]),
        why: "OpenSSL stops reading at the end of the element; RFC 5280 4.2: the value is the encoding of the extension, not its beginning",
    },
    Row {
        key: "characters that a string type does not have",
        engines: BOTH,
        cases: &[],
        what: Stricter(&[
            "not a certificate: a PrintableString with other characters",
            "not a certificate: an IA5String with other characters",
            "not a certificate: a UTF8String that is not UTF-8",
            "not a certificate: an otherName that is not UTF-8",
        ]),
        why: "OpenSSL compares names without looking (X.680 41.4, RFC 3629 3); a text with two readings is refused",
    },
    Row {
        key: "numbers out of range",
        engines: BOTH,
        cases: &[],
        what: Stricter(&[
            "not a certificate: a version that does not exist",
            "not a certificate: a negative serial number",
            "not a certificate: a serial number of zero or of more than 20 octets",
        ]),
        why: "RFC 5280 4.1.2.1, 4.1.2.2; status is kept by serial number, so its form is not a matter of taste",
    },
    Row {
        key: "things that may not be empty, or not be this",
        engines: BOTH,
        cases: &[],
        what: Stricter(&[
            "not a certificate: an empty",
            "not a certificate: empty",
            "not a certificate: an RDN without attribute",
            "not a certificate: an RDN that is no SET",
            "not a certificate: a value of no type that names have",
            "not a certificate: a name of a kind that does not exist",
            "not a certificate: an authority key id with half of a pair",
        ]),
        why: "SIZE (1..MAX) in RFC 5280 A.1 and A.2, and 4.2.1.1: both of authorityCertIssuer and authorityCertSerialNumber or neither",
    },
    Row {
        key: "extensions twice, or seventy",
        engines: BOTH,
        cases: &[],
        what: Stricter(&[
            "not a certificate: an extension that occurs twice",
            "not a certificate: too many extensions",
        ]),
        why: "RFC 5280 4.2: not more than one instance (OpenSSL sees it only for those it reads); and a bound of our own",
    },
    Row {
        key: "keys and algorithms",
        engines: BOTH,
        cases: &[],
        what: Stricter(&[
            "algorithm_refused",
            "a public key that policy refuses",
            "the public key is malformed",
        ]),
        why: "OpenSSL does not look at the holder's key and takes SHA-1 and any parameters; RFC 4055 5 (NULL or absent), RFC 3279 2.3.1, FIPS 186-5 5.1 and A.1.1",
    },
    Row {
        key: "a T61String is no UTF8String",
        engines: BOTH,
        cases: &["issuer"],
        what: Stricter(&["issuer_unknown"]),
        why: "OpenSSL takes T61 for Latin-1; RFC 5280 7.1 compares it as octets",
    },
    Row {
        key: "critical, and not processed in full",
        engines: &[Path],
        cases: &[
            "netscape",
            "certificatePolicies",
            "policies: with an unknown qualifier",
        ],
        what: Stricter(&["unknown_critical_extension"]),
        why: "RFC 5280 4.2 and 4.2.1.4: also a policy qualifier that is not understood; OpenSSL knows Netscape's type of 1996",
    },
    Row {
        key: "JPKI's profile",
        engines: &[Profile],
        cases: &[],
        what: Stricter(&["profile_violation", "certificate_unsupported"]),
        why: "key usage, purposes, criticality and policy exactly as the kind's certificates have them; RFC 5280 allows more",
    },
];

const LAXER: [Row; 10] = [
    Row {
        key: "the last second",
        engines: BOTH,
        cases: &["validity: ends now"],
        what: Laxer(&[Refused(10)]),
        why: "RFC 5280 4.1.2.5: valid through notAfter, inclusive; X509_cmp_time calls equal times past",
    },
    Row {
        key: "the issuer is the key that signed",
        engines: BOTH,
        cases: &["authorityKeyIdentifier"],
        what: Laxer(&[Refused(20)]),
        why: "RFC 5280 6.1 knows no key ids: they help to find, the signature proves. OpenSSL wants the issuer's own issuer and serial number to be as written there; the profile wants the key id",
    },
    Row {
        key: "no key id needed",
        engines: &[Path],
        cases: &["authorityKeyIdentifier", "no extensions"],
        what: Laxer(&[Refused(85)]),
        why: "4.2.1.1 binds the CA; 6.1 works without. The profile asks for it",
    },
    Row {
        key: "two CAs of one name",
        engines: &[Path],
        cases: &["version 1 without extensions"],
        what: Laxer(&[Refused(7)]),
        why: "without key id OpenSSL tries one CA of the name; we try each key",
    },
    Row {
        key: "attribute values that are no text",
        engines: BOTH,
        cases: &[
            "subject: OCTET STRING",
            "field subject",
            "cRLDistributionPoints",
        ],
        what: Laxer(&[Unreadable, Refused(20)]),
        why: "X.501 allows any type; we compare octet for octet, OpenSSL reads string types only. Nothing else is done with such a value",
    },
    Row {
        key: "what an otherName holds",
        engines: &[Path],
        cases: &["the value of subjectAltName"],
        what: Laxer(&[Refused(20)]),
        why: "of a type that path validation has no use for; the profile, which shows it to people, reads it",
    },
    Row {
        key: "a target that claims to be a CA",
        engines: &[Path],
        cases: &["keyUsage", "basicConstraints CA"],
        what: Laxer(&[Refused(79), Refused(81), Refused(89)]),
        why: "4.2.1.3 and 4.2.1.9 bind the CA that issues it; 6.1.4 asks only those that issue. The profile refuses every CA",
    },
    Row {
        key: "a path length without CA",
        engines: &[Path],
        cases: &["basicConstraints a length without CA"],
        what: Laxer(&[Refused(80)]),
        why: "4.2.1.9 binds the CA; a length has no effect on a certificate that issues nothing (BoringSSL's vectors ask for it). Certificate::parse refuses it",
    },
    Row {
        key: "mappings that nothing maps",
        engines: &[Profile],
        cases: &["policyMappings from any"],
        what: Laxer(&[Refused(42)]),
        why: "6.1.4 (a) and (b) look at mappings of certificates that issue; the last one's have no effect",
    },
    Row {
        key: "proxies",
        engines: BOTH,
        cases: &["added: proxyCertInfo"],
        what: Laxer(&[Refused(20)]),
        why: "RFC 3820 3.8 makes it critical; one that is not is an extension like any unknown one",
    },
];

pub fn rows() -> impl Iterator<Item = &'static Row> {
    STRICTER.iter().chain(&LAXER)
}

/// Why we accept what OpenSSL refuses.
pub fn laxer(engine: Engine, case: &str, theirs: &Word) -> Option<&'static Row> {
    LAXER.iter().find(|row| match row.what {
        Laxer(words) => row.is_about(engine, case) && words.contains(theirs),
        Stricter(_) => false,
    })
}

/// Why we refuse what OpenSSL accepts.
pub fn stricter(engine: Engine, case: &str, ours: &[String]) -> Option<&'static Row> {
    let begins = |words: &[&str]| {
        ours.iter()
            .any(|one| words.iter().any(|word| one.starts_with(word)))
    };
    STRICTER.iter().find(|row| match row.what {
        Stricter(words) => row.is_about(engine, case) && begins(words),
        Laxer(_) => false,
    })
}

impl Row {
    fn is_about(&self, engine: Engine, case: &str) -> bool {
        let named = self.cases.is_empty() || self.cases.iter().any(|part| case.contains(part));
        self.engines.contains(&engine) && named
    }
}

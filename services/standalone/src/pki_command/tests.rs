//! The command as an outsider sees it: lines in, lines out; the certificates are real ones of test cards.

use std::io::{self, Read};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use super::{MAX_LINE, run};

macro_rules! jlis {
    ($path:literal) => {
        STANDARD.encode(include_bytes!(concat!(
            "../../../../shared/pki/testdata/jlis/",
            $path
        )))
    };
}

fn ask(input: &[u8]) -> Vec<serde_json::Value> {
    let mut output = Vec::new();
    run(input, &mut output).unwrap();
    String::from_utf8(output)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn f056_every_line_has_an_answer() {
    let answers = ask(b"\n{}\nnot json\n{\"operation\":\"fly\"}\n[1]\n\xff\xfe\n{\"operation\":\"parse\",\"kind\":\"any\",\"der\":\"MAA=\"}");
    assert_eq!(answers.len(), 7);
    for answer in &answers {
        assert_eq!(answer["verdict"], "refused", "{answer}");
        assert!(answer["reason"].is_string());
    }
}

#[test]
fn f056_deep_nesting_is_refused() {
    let deep = format!("{}{}\n", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(ask(deep.as_bytes())[0]["verdict"], "refused");
}

#[test]
fn f056_a_line_that_is_too_long_is_skipped_and_the_next_one_answered() {
    struct Endless(u64);
    impl io::Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = buffer.len().min(usize::try_from(self.0).unwrap());
            buffer[..length].fill(b' ');
            self.0 -= length as u64;
            Ok(length)
        }
    }
    let input = io::BufReader::new(Endless(MAX_LINE + 1).chain(&b"\n{}\n"[..]));
    let mut output = Vec::new();
    run(input, &mut output).unwrap();
    let text = String::from_utf8(output).unwrap();
    assert_eq!(text.lines().count(), 2);
    assert!(text.lines().next().unwrap().contains("too long"));
}

fn ask_one(request: &serde_json::Value) -> serde_json::Value {
    ask(request.to_string().as_bytes()).remove(0)
}

fn path(target: &str, anchors: &[String], at: &str) -> serde_json::Value {
    ask_one(&json!({
        "operation": "path", "target": target, "trust_anchors": anchors, "intermediates": [], "crls": [],
        "at": at, "revocation": "none", "policy": {"initial_policy_set": ["2.5.29.32.0"]},
    }))
}

#[test]
fn f034_a_real_leaf_has_a_path_to_its_generation_alone() {
    let leaf = jlis!("test-leaf/jpki-sign-cert.der");
    let right = jlis!("test-roots/signca-test-2024.cer");
    let old = jlis!("test-roots/signca-test-2019.cer");
    const NOW: &str = "2026-11-21T00:00:00Z";
    for anchors in [
        vec![right.clone()],
        vec![old.clone(), right.clone()],
        vec![right.clone(), old.clone()],
    ] {
        assert_eq!(path(&leaf, &anchors, NOW)["verdict"], "valid");
    }
    let answer = path(&leaf, &[old], NOW);
    assert_eq!(answer["verdict"], "invalid");
    assert_eq!(answer["reason"], "issuer_signature_invalid");
    let answer = path(&leaf, &[right], "2030-02-17T15:00:00Z");
    assert_eq!(answer["reason"], "certificate_expired");
}

#[test]
fn what_of_an_anchor_counts_is_the_caller_s_choice() {
    let ask_with = |constraints: &str, validity: &str| {
        ask_one(&json!({
            "operation": "path", "target": jlis!("test-leaf/jpki-sign-cert.der"),
            "trust_anchors": [jlis!("test-roots/signca-test-2024.cer")],
            "at": "2026-11-21T00:00:00Z", "revocation": "none",
            "policy": {"anchor_constraints": constraints, "anchor_validity": validity},
        }))
    };
    for constraints in ["names", "issuing", "all"] {
        for validity in ["ignored", "enforced"] {
            assert_eq!(ask_with(constraints, validity)["verdict"], "valid");
        }
    }
    for (constraints, validity) in [("some", "ignored"), ("names", "sometimes")] {
        assert_eq!(ask_with(constraints, validity)["verdict"], "refused");
    }
}

#[test]
fn a_path_with_revocation_and_no_list_is_indeterminate() {
    let answer = ask_one(&json!({
        "operation": "path", "target": jlis!("test-leaf/jpki-sign-cert.der"),
        "trust_anchors": [jlis!("test-roots/signca-test-2024.cer")],
        "at": "2026-11-21T00:00:00Z", "revocation": "hard-fail",
    }));
    assert_eq!(answer["verdict"], "indeterminate");
    assert_eq!(answer["reason"], "status_unavailable");
}

#[test]
fn parse_tells_what_is_what() {
    let root = jlis!("roots/signca03.cer");
    for (kind, verdict) in [
        ("certificate", "parsed"),
        ("any", "parsed"),
        ("crl", "refused"),
        ("ocsp", "refused"),
    ] {
        let answer = ask_one(&json!({"operation": "parse", "kind": kind, "der": root}));
        assert_eq!(answer["verdict"], verdict, "{kind}");
    }
}

#[test]
fn f023_a_signature_is_over_this_message_by_this_algorithm() {
    // A root's own signature is over its TBSCertificate: the only real signature at hand.
    let der = include_bytes!("../../../../shared/pki/testdata/jlis/roots/signca03.cer");
    let tbs_end = 8 + usize::from(u16::from_be_bytes([der[6], der[7]]));
    let (message, signature) = (&der[4..tbs_end], &der[der.len() - 256..]);
    let verify = |message: &[u8], algorithm: &str| {
        ask_one(&json!({
            "operation": "signature", "certificate": STANDARD.encode(der), "algorithm": algorithm,
            "message": STANDARD.encode(message), "signature": STANDARD.encode(signature),
        }))
    };
    assert_eq!(
        verify(message, "sha256WithRSAEncryption")["verdict"],
        "valid"
    );
    assert_eq!(
        verify(b"other", "sha256WithRSAEncryption")["reason"],
        "signature_mismatch"
    );
    assert_eq!(
        verify(message, "sha512WithRSAEncryption")["reason"],
        "signature_mismatch"
    );
    for refused in [
        "sha1WithRSAEncryption",
        "rsassaPss",
        "ecdsa-with-SHA256",
        "",
    ] {
        let answer = verify(message, refused);
        assert_eq!(answer["verdict"], "invalid");
        assert_eq!(answer["reason"], "algorithm_refused", "{refused}");
    }
}

#[test]
fn lists_responses_and_timestamps_that_are_none_say_nothing() {
    let (leaf, root) = (
        jlis!("test-leaf/jpki-auth-cert.der"),
        jlis!("test-roots/authca-test-2023.cer"),
    );
    let crl = json!({
        "operation": "crl", "certificate": leaf, "issuer": root, "crl": root, "at": "2026-11-21T00:00:00Z", "max_age_days": 7,
    });
    assert_eq!(ask_one(&crl)["status"], "unknown");
    let ocsp = json!({
        "operation": "ocsp", "certificate": leaf, "issuer": root, "response": "MAMKAQM=", "at": "2026-11-21T00:00:00Z",
        "max_age_hours": 1,
    });
    let answer = ask_one(&ocsp);
    assert_eq!(answer["status"], "unknown");
    assert_eq!(answer["reason"], "ocsp_responder_error_3", "tryLater");
    let mut timestamp = json!({
        "operation": "timestamp", "response": root, "data": "", "hash": "sha256", "trust_anchors": [root],
        "crls": [], "at": "2026-11-21T00:00:00Z",
    });
    assert_eq!(ask_one(&timestamp)["verdict"], "invalid");
    timestamp["hash"] = json!("md5");
    assert_eq!(ask_one(&timestamp)["verdict"], "refused");
    timestamp["trust_anchors"] = json!("none");
    assert_eq!(ask_one(&timestamp)["verdict"], "refused");
}

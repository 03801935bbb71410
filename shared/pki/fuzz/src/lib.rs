//! What the fuzz targets do with octets, and what must hold for any of them. No more than that nothing panics, loops or
//! answers twice differently; the stable test suite runs the same functions over the kept corpus and its mutations.

use std::{sync::LazyLock, time::Duration};

use warikan_pki::{
    AlgorithmPolicy, AnchorSet, Certificate, CrlQuestion, DigestAlgorithm, Evidence, Nonce,
    OcspPolicy, OcspSubject, PathAlgorithms, PathInput, PathPolicy, Policy, PublicKey, Purpose,
    Revocation, Signed, TimestampRequest, TimestampTrust, TrustAnchor, VerifiedCrl, VerifiedOcsp,
    VerifiedTimestamp, crl_status, examine, is_der, parse_certificate, parse_crl, parse_ocsp,
    validate, validate_path,
};
use warikan_types::{Environment, Timestamp};

/// The simulator's signature CA and a certificate that it issued, as the corpus has them.
pub const ROOT: &[u8] = include_bytes!("../corpus/certificate/simulator-root.der");
/// See [`ROOT`].
pub const LEAF: &[u8] = include_bytes!("../corpus/certificate/simulator-signature.der");
/// The certificate of the authority that stamped `hello` in the corpus.
const TSA: &[u8] = include_bytes!("../corpus/certificate/example-tsa.der");

static ANCHORS: LazyLock<AnchorSet> = LazyLock::new(|| {
    AnchorSet::new([(Environment::Sandbox, ROOT.to_vec())]).expect("the corpus has a root")
});
static ISSUED: LazyLock<Certificate> =
    LazyLock::new(|| Certificate::parse(LEAF).expect("the corpus has a leaf"));

fn anchor() -> &'static TrustAnchor {
    ANCHORS.iter().next().expect("one anchor was pinned")
}

fn at() -> Timestamp {
    Timestamp::from_unix(1_795_262_400).expect("a second of 2026")
}

/// The octets as a certificate: parsed, examined, judged as a leaf, as a CA of its own, and as a stranger in a path.
pub fn certificate(data: &[u8]) {
    let examined = examine(data, &ANCHORS);
    assert_eq!(
        examined.certificate().is_some(),
        Certificate::parse(data).is_ok()
    );
    if let Some(one) = examined.certificate() {
        assert!(is_der(data), "what is a certificate is DER");
        assert_eq!(one.der(), data, "nothing is lost");
        assert!(
            parse_certificate(data).is_ok(),
            "what is strict is also general"
        );
        let _ = PublicKey::from_spki(one.spki_der());
    }
    let evidence = Evidence {
        examined: &examined,
        signature: &[0; 256],
        signed: &Signed::Digest {
            algorithm: DigestAlgorithm::Sha256,
            digest: vec![0; 32],
        },
        status: None,
    };
    let policy = Policy {
        environment: Environment::Sandbox,
        purpose: Purpose::Any,
        max_age: None,
        clock_skew: Duration::ZERO,
        algorithms: AlgorithmPolicy::jpki(),
    };
    let report = validate(&evidence, &policy, at());
    assert_eq!(report, validate(&evidence, &policy, at()), "the same again");
    assert_ne!(
        report.verdict,
        warikan_types::Verdict::Valid,
        "nobody signed zeros"
    );
    let _ = AnchorSet::new([(Environment::Production, data.to_vec())]);
    for (target, stranger) in [(data, LEAF), (LEAF, data)] {
        let input = PathInput {
            target,
            intermediates: &[stranger, data],
            trust_anchors: &[ROOT],
            crls: &[],
        };
        let _ = validate_path(&input, &PathPolicy::any(), at());
    }
}

/// The octets as a revocation list.
pub fn crl(data: &[u8]) {
    let _ = parse_crl(data);
    if let Ok(list) = VerifiedCrl::verify(data, anchor(), at()) {
        assert_eq!(list.entries().count(), list.len(), "every entry is read");
    }
    let question = CrlQuestion {
        certificate: LEAF,
        issuers: &[ROOT],
        crl: data,
        max_age: None,
        algorithms: PathAlgorithms::Legacy,
    };
    let _ = crl_status(&question, at());
    let input = PathInput {
        target: LEAF,
        intermediates: &[],
        trust_anchors: &[ROOT],
        crls: &[data],
    };
    let mut policy = PathPolicy::any();
    policy.revocation = Revocation::HardFail;
    let _ = validate_path(&input, &policy, at());
}

/// The octets as an OCSP response.
pub fn ocsp(data: &[u8]) {
    let _ = parse_ocsp(data);
    let policy = OcspPolicy {
        max_age: None,
        clock_skew: Duration::from_secs(60),
        nonce: Nonce::NotSent,
        algorithms: PathAlgorithms::Current,
    };
    let _ = VerifiedOcsp::verify(
        data,
        OcspSubject::Certificate(&ISSUED),
        anchor(),
        &policy,
        at(),
    );
}

/// The octets as a timestamp, response or bare token.
pub fn timestamp(data: &[u8]) {
    let _ = stamped(data);
}

/// Whether the octets prove that `hello` was stamped.
pub fn stamped(data: &[u8]) -> bool {
    let request = TimestampRequest {
        algorithm: DigestAlgorithm::Sha256,
        digest: &DigestAlgorithm::Sha256.digest(b"hello"),
        nonce: None,
        policy: None,
    };
    let trust = TimestampTrust {
        trust_anchors: &[ROOT, TSA],
        intermediates: &[],
        crls: &[],
        policy: &PathPolicy::any(),
    };
    VerifiedTimestamp::verify_response(data, &request, &trust, at()).is_ok()
        || VerifiedTimestamp::verify_token(data, &request, &trust, at()).is_ok()
}

/// The octets as a bag: certificates one after the other, the first of them the target, the rest both help and lists.
pub fn bag(data: &[u8]) {
    let mut parts = Vec::new();
    let mut rest = data;
    while !rest.is_empty() && parts.len() < 64 {
        let length = match rest {
            [_, 0x82, high, low, ..] => 4 + usize::from(*high) * 256 + usize::from(*low),
            _ => rest.len(),
        };
        let (part, after) = rest.split_at(length.min(rest.len()));
        parts.push(part);
        rest = after;
    }
    let Some((target, others)) = parts.split_first() else {
        return;
    };
    let mut policy = PathPolicy::any();
    policy.algorithms = PathAlgorithms::Legacy;
    let answer = |bag: &[&[u8]], policy: &PathPolicy| {
        let input = PathInput {
            target,
            intermediates: bag,
            trust_anchors: &[ROOT, TSA],
            crls: bag,
        };
        validate_path(&input, policy, at())
    };
    let reversed: Vec<&[u8]> = others.iter().rev().copied().collect();
    for revocation in [Revocation::None, Revocation::HardFail] {
        policy.revocation = revocation;
        let one = answer(others, &policy);
        assert_eq!(one, answer(&reversed, &policy), "order means nothing");
    }
}

#![no_main]

use libfuzzer_sys::fuzz_target;
use warikan_pki::{
    DigestAlgorithm, PathPolicy, TimestampRequest, TimestampTrust, VerifiedTimestamp,
};
use warikan_types::Timestamp;

fuzz_target!(|der: &[u8]| {
    let root: &[u8] = include_bytes!("../../testdata/jlis/test-roots/authca-test-2023.cer");
    let policy = PathPolicy::any();
    let trust = TimestampTrust {
        trust_anchors: &[root],
        intermediates: &[],
        crls: &[],
        policy: &policy,
    };
    let request = TimestampRequest {
        algorithm: DigestAlgorithm::Sha256,
        digest: &[0; 32],
        nonce: None,
        policy: None,
    };
    let at = Timestamp::from_unix(1_800_000_000).expect("a time");
    for verify in [
        VerifiedTimestamp::verify_response,
        VerifiedTimestamp::verify_token,
    ] {
        assert!(verify(der, &request, &trust, at).is_err());
    }
});

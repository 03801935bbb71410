#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use warikan_pki::{Nonce, OcspPolicy, PathAlgorithms, VerifiedOcsp, parse_ocsp};
use warikan_types::Timestamp;

fuzz_target!(|der: &[u8]| {
    assert_eq!(parse_ocsp(der), parse_ocsp(der));
    let policy = OcspPolicy {
        max_age: Some(Duration::from_secs(u64::from(u32::MAX))),
        clock_skew: Duration::from_secs(u64::from(u32::MAX)),
        nonce: Nonce::NotSent,
        algorithms: PathAlgorithms::Legacy,
    };
    let leaf = include_bytes!("../../testdata/jlis/test-leaf/jpki-auth-cert.der");
    let root = include_bytes!("../../testdata/jlis/test-roots/authca-test-2023.cer");
    let at = Timestamp::from_unix(1_800_000_000).expect("a time");
    // No one here has the key of the real authority.
    assert!(VerifiedOcsp::verify_der(der, leaf, root, &policy, at).is_err());
});

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use warikan_pki::{AnchorSet, VerifiedCrl, parse_crl};
use warikan_types::{Environment, Timestamp};

static ANCHORS: LazyLock<AnchorSet> = LazyLock::new(|| {
    let root = include_bytes!("../../testdata/jlis/test-roots/signca-test-2024.cer");
    AnchorSet::new([(Environment::Sandbox, root.to_vec())]).expect("a real root")
});

fuzz_target!(|der: &[u8]| {
    assert_eq!(parse_crl(der), parse_crl(der));
    let at = Timestamp::from_unix(1_800_000_000).expect("a time");
    for anchor in ANCHORS.iter() {
        if let Ok(list) = VerifiedCrl::verify(der, anchor, at) {
            assert_eq!(list.entries().count(), list.len());
        }
    }
});

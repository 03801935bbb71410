#![no_main]

use libfuzzer_sys::fuzz_target;
use warikan_pki::{PathAlgorithms, PathInput, PathPolicy, Revocation, validate_path};
use warikan_types::Timestamp;

/// Cuts the input at outer SEQUENCEs of at most 64 KiB.
fn cut(mut rest: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while let [0x30, 0x82, high, low, ..] = rest {
        let end = 4 + usize::from(u16::from_be_bytes([*high, *low]));
        let (part, after) = rest.split_at(end.min(rest.len()));
        parts.push(part);
        rest = after;
    }
    parts
}

fuzz_target!(|bag: &[u8]| {
    let mut parts = cut(bag);
    let Some(target) = parts.first().copied() else {
        return;
    };
    let mut policy = PathPolicy::any();
    policy.algorithms = PathAlgorithms::Legacy;
    policy.revocation = Revocation::HardFail;
    let at = Timestamp::from_unix(1_700_000_000).expect("a time");
    let mut judge = || {
        let anchors: Vec<&[u8]> = parts.iter().copied().take(8).collect();
        let input = PathInput {
            target,
            intermediates: &parts,
            trust_anchors: &anchors,
            crls: &parts,
        };
        let verdict = validate_path(&input, &policy, at);
        if parts.len() <= 8 {
            parts.reverse();
        }
        verdict
    };
    assert_eq!(judge(), judge());
});

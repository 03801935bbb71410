#![no_main]

use libfuzzer_sys::fuzz_target;
use warikan_pki::{Certificate, is_der, parse_certificate};

fuzz_target!(|der: &[u8]| {
    let strict = Certificate::parse(der);
    let general = parse_certificate(der);
    assert_eq!(general, parse_certificate(der));
    if let Ok(certificate) = strict {
        assert!(general.is_ok());
        assert!(is_der(der));
        assert_eq!(certificate.der(), der);
        assert!((1..=20).contains(&certificate.serial().octets().len()));
        let _ = warikan_pki::PublicKey::from_spki(certificate.spki_der());
    }
});

//! Fixed keys, so that tests need not wait for prime numbers. Test-only and worthless: they are public.

use crate::KeySource;

macro_rules! keys {
    ($($file:literal),+) => {
        [$(include_bytes!(concat!("../testdata/keys/", $file)).as_slice()),+]
    };
}

/// Twelve RSA-2048 keys, PKCS#8 DER. A new simulator takes five of them for its CAs and OCSP responders; the rest go round
/// among the cards.
#[must_use]
pub fn test_keys() -> Vec<&'static [u8]> {
    keys!(
        "01.p8", "02.p8", "03.p8", "04.p8", "05.p8", "06.p8", "07.p8", "08.p8", "09.p8", "10.p8",
        "11.p8", "12.p8"
    )
    .to_vec()
}

/// The twelve as a [`KeySource::Pool`].
///
/// # Panics
/// Never: the keys are compiled in, and a test reads them.
#[must_use]
pub fn key_source() -> KeySource {
    KeySource::pool(test_keys()).expect("the fixed keys are RSA keys")
}

/// An RSA-1024 key, PKCS#8 DER: what a certificate must not have.
pub(crate) const WEAK_KEY: &[u8] = include_bytes!("../testdata/keys/weak-1024.p8");

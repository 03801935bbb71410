#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| warikan_pki_fuzz::bag(data));

//! `warikan pki` on lines of any octets: as many answers as lines, each of them JSON with a verdict or a status.
#![no_main]

mod pki_command;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut output = Vec::new();
    pki_command::run(data, &mut output).expect("reading and writing memory does not fail");
    let lines = data.split_inclusive(|octet| *octet == b'\n').count();
    let answers: Vec<&[u8]> = output.split_inclusive(|octet| *octet == b'\n').collect();
    assert_eq!(answers.len(), lines, "an answer a line");
    for answer in answers {
        let answer: serde_json::Value = serde_json::from_slice(answer).expect("an answer is JSON");
        let said = ["verdict", "status"].map(|key| answer[key].is_string());
        assert_ne!(said[0], said[1], "one word and not two: {answer}");
    }
});

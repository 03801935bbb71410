//! Certificates of a test's own, made by openssl.

use std::{fs, path::Path, process::Command};

/// Runs a command that must succeed.
pub fn run(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) {
    let output = Command::new(program.as_ref())
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
}

/// An authority: `<name>.key` and `<name>.pem`.
pub fn authority_in(here: &Path, name: &str) {
    let file = |end: &str| {
        here.join(format!("{name}.{end}"))
            .to_str()
            .unwrap()
            .to_owned()
    };
    let subject = format!("/CN=warikan test {name}");
    run(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            &subject,
            "-keyout",
            &file("key"),
            "-out",
            &file("pem"),
        ],
    );
}

/// A server's certificate for `localhost`, from an authority: `<name>.key` and `<name>.pem`.
pub fn certificate(here: &Path, authority: &str, name: &str) {
    let file = |name: &str, end: &str| {
        here.join(format!("{name}.{end}"))
            .to_str()
            .unwrap()
            .to_owned()
    };
    fs::write(
        here.join("extensions"),
        "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n",
    )
    .unwrap();
    run(
        "openssl",
        &[
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            "/CN=localhost",
            "-keyout",
            &file(name, "key"),
            "-out",
            &file(name, "csr"),
        ],
    );
    run(
        "openssl",
        &[
            "x509",
            "-req",
            "-in",
            &file(name, "csr"),
            "-CA",
            &file(authority, "pem"),
            "-CAkey",
            &file(authority, "key"),
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            here.join("extensions").to_str().unwrap(),
            "-out",
            &file(name, "pem"),
        ],
    );
}

//! `openssl` vouches for what the simulator makes: paths, lists, OCSP answers and signatures.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use common::{Bench, at, now, openssl, simulator};
use warikan_simulator::{
    CertificateChoice, Content, Defect, HashAlgorithm, LifeEvent, Person, PersonId, Publication,
    Simulator, fixtures,
};

const SIGNATURE: CertificateChoice = CertificateChoice::Signature;
const AUTHENTICATION: CertificateChoice = CertificateChoice::Authentication;

/// A simulator with one live person and one who lost the card, and their lists of today.
fn scene() -> (Simulator, [PersonId; 2], Publication) {
    let mut simulator = simulator();
    let mut keys = fixtures::key_source();
    let [kept, lost] = [0, 1].map(|_| {
        simulator
            .enroll(Person::of_the_test_card(), &mut keys, now())
            .unwrap()
    });
    simulator
        .apply(lost, &LifeEvent::Lose, &mut keys, now())
        .unwrap();
    let publication = simulator.publish(now()).unwrap();
    (simulator, [kept, lost], publication)
}

fn root(
    bench: &Bench,
    simulator: &Simulator,
    choice: CertificateChoice,
    generation: u32,
) -> String {
    let roots = simulator.roots();
    let root = roots
        .iter()
        .find(|one| one.choice == choice && one.generation == generation)
        .unwrap();
    bench.pem(
        "x509",
        &format!("root-{}-{generation}", choice.as_str()),
        &root.der,
    )
}

fn list(
    bench: &Bench,
    publication: &Publication,
    choice: CertificateChoice,
    generation: u32,
) -> String {
    let is_it = |one: &&warikan_simulator::PublishedCrl| {
        one.choice == choice
            && one.generation == generation
            && one.partition == "tokyo-to_kiyose-shi"
    };
    let crl = publication.crls.iter().find(is_it).unwrap();
    bench.pem(
        "crl",
        &format!("list-{}-{generation}", choice.as_str()),
        &crl.der,
    )
}

fn leaf(bench: &Bench, simulator: &Simulator, id: PersonId, choice: CertificateChoice) -> String {
    let card = simulator.card(id).unwrap();
    let name = format!("leaf-{}-{}", id.0, choice.as_str());
    bench.pem("x509", &name, card.certificate(choice).unwrap())
}

fn verify(root: &str, list: &str, leaf: &str, at: &str) -> (bool, String) {
    openssl(&[
        "verify",
        "-attime",
        at,
        "-CAfile",
        root,
        "-CRLfile",
        list,
        "-crl_check",
        leaf,
    ])
}

#[test]
fn openssl_accepts_leaves_with_their_partition_and_finds_the_revoked() {
    let (simulator, [kept, lost], publication) = scene();
    let bench = Bench::new();
    let time = now().timestamp().to_string();
    for choice in CertificateChoice::ALL {
        let root = root(&bench, &simulator, choice, 2);
        let list = list(&bench, &publication, choice, 2);
        let (ok, said) = verify(&root, &list, &leaf(&bench, &simulator, kept, choice), &time);
        assert!(ok, "{said}");
        let (ok, said) = verify(&root, &list, &leaf(&bench, &simulator, lost, choice), &time);
        assert!(!ok && said.contains("certificate revoked"), "{said}");
    }
}

#[test]
fn f034_openssl_refuses_the_other_generation() {
    let (mut simulator, [kept, _], _) = scene();
    let bench = Bench::new();
    let time = now().timestamp().to_string();
    let second = leaf(&bench, &simulator, kept, SIGNATURE);
    let mut keys = fixtures::key_source();
    let old = simulator
        .enroll(
            Person::of_the_test_card(),
            &mut keys,
            at("2023-05-01T00:00:00Z"),
        )
        .unwrap();
    assert_eq!(
        simulator
            .certificates_of(old)
            .map(|one| one.generation)
            .collect::<Vec<_>>(),
        [1, 1]
    );
    let first = leaf(&bench, &simulator, old, SIGNATURE);
    let publication = simulator.publish(now()).unwrap();
    let roots = [1, 2].map(|generation| root(&bench, &simulator, SIGNATURE, generation));
    let lists = [1, 2].map(|generation| list(&bench, &publication, SIGNATURE, generation));
    for (leaf, own, other) in [(&first, 0, 1), (&second, 1, 0)] {
        let (ok, said) = verify(&roots[own], &lists[own], leaf, &time);
        assert!(ok, "{said}");
        assert!(
            !verify(&roots[other], &lists[own], leaf, &time).0,
            "another generation's root"
        );
        assert!(
            !verify(&roots[own], &lists[other], leaf, &time).0,
            "another generation's list"
        );
    }
}

#[test]
fn f045_openssl_refuses_another_municipalitys_partition() {
    let (simulator, [kept, _], publication) = scene();
    let bench = Bench::new();
    let elsewhere = publication.crls.iter().find(|one| {
        one.choice == SIGNATURE && one.generation == 2 && one.partition == "okinawa-ken_naha-shi"
    });
    let list = bench.pem("crl", "elsewhere", &elsewhere.unwrap().der);
    let root = root(&bench, &simulator, SIGNATURE, 2);
    let leaf = leaf(&bench, &simulator, kept, SIGNATURE);
    let (ok, said) = verify(&root, &list, &leaf, &now().timestamp().to_string());
    assert!(!ok && said.contains("scope"), "{said}");
}

#[test]
fn openssl_verifies_every_list() {
    let (simulator, _, publication) = scene();
    let bench = Bench::new();
    assert_eq!(publication.crls.len(), 4 * simulator.municipalities().len());
    // Each list costs a process, so: all of the first two municipalities, of both CAs and generations.
    let partitions: Vec<_> = simulator.municipalities()[..2]
        .iter()
        .map(|one| one.partition())
        .collect();
    for crl in publication
        .crls
        .iter()
        .filter(|one| partitions.contains(&one.partition))
    {
        let root = root(&bench, &simulator, crl.choice, crl.generation);
        let list = bench.pem("crl", "list", &crl.der);
        let (ok, said) = openssl(&["crl", "-in", &list, "-CAfile", &root, "-noout", "-text"]);
        assert!(ok && said.contains("verify OK"), "{said}");
        assert!(
            said.contains("Issuing Distribution Point: critical"),
            "{said}"
        );
        let municipality = crl.municipality.as_ref().unwrap();
        assert!(
            said.contains(&format!("CN = {} CRLDP", municipality.name)),
            "{said}"
        );
        assert!(
            said.contains("X509v3 CRL Number: \n                1"),
            "{said}"
        );
        let revokes = said.contains("Key Compromise");
        assert_eq!(revokes, crl.entries == 1, "{said}");
    }
}

#[test]
fn f024_openssl_reads_policies_and_usages() {
    let (simulator, [kept, _], _) = scene();
    let bench = Bench::new();
    let shown = |choice| {
        let leaf = leaf(&bench, &simulator, kept, choice);
        openssl(&["x509", "-in", &leaf, "-noout", "-text", "-nameopt", "utf8"]).1
    };
    let signature = shown(SIGNATURE);
    assert!(signature.contains("Policy: 1.2.392.200149.8.5.1.0.20"));
    assert!(signature.contains("Digital Signature, Non Repudiation"));
    assert!(
        signature.contains("1.2.392.200149.8.5.5.1::黒桐　幹也"),
        "{signature}"
    );
    assert!(!signature.contains("OCSP - URI"));
    let authentication = shown(AUTHENTICATION);
    assert!(authentication.contains("Policy: 1.2.392.200149.8.5.1.0.30"));
    assert!(authentication.contains("TLS Web Client Authentication"));
    assert!(authentication.contains("OCSP - URI:http://test-ocspauthnorm.jpki.go.jp"));
    assert!(!authentication.contains("黒桐"));
}

#[test]
fn openssl_verifies_what_the_card_signs() {
    let (simulator, [kept, _], _) = scene();
    let bench = Bench::new();
    let card = simulator.card(kept).unwrap();
    let message = "口座開設申込書".as_bytes();
    let document = bench.write("document", message);
    for choice in CertificateChoice::ALL {
        let leaf = leaf(&bench, &simulator, kept, choice);
        let public = bench.path("public.pem").to_str().unwrap().to_owned();
        assert!(openssl(&["x509", "-in", &leaf, "-noout", "-pubkey", "-out", &public]).0);
        for (hash, name) in [
            (HashAlgorithm::Sha256, "-sha256"),
            (HashAlgorithm::Sha384, "-sha384"),
            (HashAlgorithm::Sha512, "-sha512"),
        ] {
            let signature = card.sign(choice, Content::Message(message), hash).unwrap();
            let digest = hash.digest(message);
            assert_eq!(
                card.sign(choice, Content::Digest(&digest), hash).unwrap(),
                signature
            );
            let file = bench.write("signature", &signature);
            let (ok, said) = openssl(&[
                "dgst",
                name,
                "-verify",
                &public,
                "-signature",
                &file,
                &document,
            ]);
            assert!(ok, "{said}");
        }
        let bare = card.sign_bytes(choice, b"anything at all").unwrap();
        let file = bench.write("bare", &bare);
        let (ok, said) = openssl(&[
            "pkeyutl",
            "-verifyrecover",
            "-pubin",
            "-inkey",
            &public,
            "-in",
            &file,
        ]);
        assert!(ok && said == "anything at all", "{said}");
    }
}

#[test]
fn f049_openssl_accepts_ocsp_answers() {
    let (simulator, [kept, lost], _) = scene();
    let bench = Bench::new();
    for (choice, generation) in [(SIGNATURE, 2), (AUTHENTICATION, 2)] {
        let root = root(&bench, &simulator, choice, generation);
        for hash in ["-sha1", "-sha256"] {
            for (id, expected) in [(kept, ": good"), (lost, ": revoked")] {
                let leaf = leaf(&bench, &simulator, id, choice);
                let said = ask(
                    &bench,
                    &simulator,
                    &root,
                    &["-issuer", &root, hash, "-cert", &leaf],
                );
                assert!(said.contains("Response verify OK"), "{said}");
                assert!(said.contains(expected), "{said}");
                assert_eq!(said.contains("Reason: keyCompromise"), id == lost, "{said}");
                assert!(
                    !said.to_lowercase().contains("nonce"),
                    "the nonce came back: {said}"
                );
            }
        }
        let said = ask(
            &bench,
            &simulator,
            &root,
            &["-issuer", &root, "-serial", "0x7fffffffff"],
        );
        assert!(
            said.contains("Response verify OK") && said.contains(": unknown"),
            "{said}"
        );
    }
}

/// Lets `openssl` make a request, the simulator answer it, and `openssl` judge the answer.
fn ask(bench: &Bench, simulator: &Simulator, root: &str, certificate: &[&str]) -> String {
    let (request, answer) = ("request.der", "answer.der");
    let path = |name| bench.path(name).to_str().unwrap().to_owned();
    let mut make = vec!["ocsp", "-reqout"];
    let request_path = path(request);
    make.push(&request_path);
    make.extend(certificate);
    let (ok, said) = openssl(&make);
    assert!(ok, "{said}");
    bench.write(answer, &simulator.ocsp(&bench.read(request), now()));
    let (answer_path, time) = (path(answer), now().timestamp().to_string());
    let mut judge = vec![
        "ocsp",
        "-respin",
        &answer_path,
        "-CAfile",
        root,
        "-attime",
        &time,
    ];
    // The answer's own times are compared with the machine's clock, which the simulator does not share.
    judge.extend(["-validity_period", "9999999999", "-reqin", &request_path]);
    // Without -no_nonce a fresh nonce would take the place of the one that was sent.
    judge.push("-no_nonce");
    judge.extend(certificate);
    openssl(&judge).1
}

#[test]
fn f049_what_is_no_request_gets_an_error_status() {
    let (simulator, _, _) = scene();
    assert_eq!(simulator.ocsp(b"", now()), [0x30, 3, 10, 1, 1]);
    assert_eq!(
        simulator.ocsp(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], now()),
        [0x30, 3, 10, 1, 1]
    );
    let other = common::simulator_of(warikan_simulator::Hierarchy::Production);
    let bench = Bench::new();
    let root = root(&bench, &other, SIGNATURE, 2);
    let path = bench.path("request.der").to_str().unwrap().to_owned();
    assert!(openssl(&["ocsp", "-issuer", &root, "-serial", "1", "-reqout", &path]).0);
    assert_eq!(
        simulator.ocsp(&bench.read("request.der"), now()),
        [0x30, 3, 10, 1, 6],
        "unauthorized"
    );
}

#[test]
fn f038_openssl_names_the_defects_it_can_see() {
    let bench = Bench::new();
    let mut keys = fixtures::key_source();
    let mut simulator = simulator();
    let time = now().timestamp().to_string();
    for (defect, complaint) in [
        (Defect::Expired, "certificate has expired"),
        (Defect::NotYetValid, "certificate is not yet valid"),
        (Defect::TamperedSignature, "certificate signature failure"),
        (
            Defect::UnknownIssuer,
            "unable to get local issuer certificate",
        ),
        (Defect::ImpostorIssuer, "certificate signature failure"),
        (
            Defect::UnknownCriticalExtension,
            "unhandled critical extension",
        ),
        (
            Defect::Sha1Signature,
            "CA signature digest algorithm too weak",
        ),
        (Defect::SmallKey, "EE certificate key too weak"),
    ] {
        let person = Person::of_the_test_card();
        let id = simulator
            .enroll_defective(person, SIGNATURE, defect, &mut keys, now())
            .unwrap();
        let generation = if defect == Defect::Expired { 1 } else { 2 };
        let root = root(&bench, &simulator, SIGNATURE, generation);
        let publication = simulator.publish(now()).unwrap();
        let list = list(&bench, &publication, SIGNATURE, generation);
        let leaf = leaf(&bench, &simulator, id, SIGNATURE);
        let (ok, said) = openssl(&[
            "verify",
            "-auth_level",
            "2",
            "-attime",
            &time,
            "-CAfile",
            &root,
            "-CRLfile",
            &list,
            "-crl_check",
            &leaf,
        ]);
        assert!(!ok && said.contains(complaint), "{defect:?}: {said}");
    }
}

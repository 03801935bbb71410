//! Persons, their cards and their lives, over HTTP.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use common::{bytes, get, id, keyed, on_card, person, post, serve, text};
use serde_json::{Value, json};
use warikan_testkit::{App, TestHouse};
use warikan_types::Reason;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_is_what_was_asked_for_and_the_rest_is_made_up() {
    let house = TestHouse::new();
    let app = serve(&house).await;
    let asked = json!({
        "name": "黒桐　幹也", "address": "東京都清瀬市観布子南１２－７－２０２", "birth_date": "1980-02-17", "sex": "male",
    });
    let made = person(&app, &asked).await;
    for field in ["name", "address", "birth_date", "sex"] {
        assert_eq!(made[field], asked[field]);
    }
    assert!(id(&made).starts_with("psn_"));
    assert_eq!(made["municipality"], "tokyo-to_kiyose-shi");
    assert_eq!(made["certificates"].as_array().unwrap().len(), 2);
    let signature = on_card(&made, "card_signature");
    assert_eq!(
        (&signature["state"], &signature["not_after"]),
        (&json!("good"), &json!("2031-02-17T14:59:59Z"))
    );
    let certificate = bytes(&signature["certificate"]);
    let name = "黒桐　幹也".as_bytes();
    assert!(certificate.windows(name.len()).any(|part| part == name));
    assert_eq!(
        get(&app, &format!("/sandbox/persons/{}", id(&made)))
            .await
            .expect(200),
        &made
    );

    let made_up = post(&app, "/sandbox/persons", &json!({}))
        .await
        .expect(201)
        .clone();
    assert!(made_up["name"].as_str().unwrap().contains('　'));
    let vague = person(
        &app,
        &json!({"birth_date": "1935-00-00", "municipality": "那覇市"}),
    )
    .await;
    assert_eq!(
        (&vague["birth_date"], &vague["municipality"]),
        (&json!("1935-00-00"), &json!("okinawa-ken_naha-shi"))
    );
    assert!(
        vague["address"]
            .as_str()
            .unwrap()
            .starts_with("沖縄県那覇市")
    );
    let child = person(&app, &json!({"birth_date": "2015-05-05"})).await;
    assert_eq!(child["certificates"].as_array().unwrap().len(), 1);
    let refused = post(
        &app,
        &format!("/sandbox/persons/{}/sign", id(&child)),
        &json!({"message": "QQ=="}),
    )
    .await;
    refused.expect_problem(409, "conflict");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_persons_and_documents_are_named() {
    let house = TestHouse::new();
    let app = serve(&house).await;
    let known = person(&app, &json!({})).await;
    let sign = format!("/sandbox/persons/{}/sign", id(&known));
    for (path, body, pointer) in [
        ("/sandbox/persons", json!({"nam": "x"}), "/nam"),
        ("/sandbox/persons", json!({"name": ""}), "/name"),
        ("/sandbox/persons", json!({"name": 3}), "/name"),
        ("/sandbox/persons", json!({"sex": "none"}), "/sex"),
        (
            "/sandbox/persons",
            json!({"birth_date": "1980-02-30"}),
            "/birth_date",
        ),
        (
            "/sandbox/persons",
            json!({"birth_date": "2080-02-03"}),
            "/birth_date",
        ),
        (
            "/sandbox/persons",
            json!({"birth_date": "1980-00-03"}),
            "/birth_date",
        ),
        (
            "/sandbox/persons",
            json!({"birth_date": "１９８０-1"}),
            "/birth_date",
        ),
        (
            "/sandbox/persons",
            json!({"municipality": "Atlantis"}),
            "/municipality",
        ),
        (
            "/sandbox/persons",
            json!({"named": "challenge_used"}),
            "/named",
        ),
        ("/sandbox/populations", json!({"size": 5001}), "/size"),
        ("/sandbox/populations", json!({"size": 0}), "/size"),
        (sign.as_str(), json!({}), "/digest"),
        (
            sign.as_str(),
            json!({"digest": "QQ==", "message": "QQ=="}),
            "/message",
        ),
        (sign.as_str(), json!({"digest": "QQ=="}), "/digest"),
        (sign.as_str(), json!({"message": "not base64"}), "/message"),
        (
            sign.as_str(),
            json!({"message": "QQ==", "algorithm": "sha1"}),
            "/algorithm",
        ),
    ] {
        let reply = post(&app, path, &body).await;
        let problem = reply.expect_problem(400, "invalid_request");
        assert_eq!(
            problem["errors"][0]["pointer"], pointer,
            "{path} {body}: {problem}"
        );
    }
    for path in [
        "/sandbox/persons/psn_0",
        "/sandbox/persons/psn_00000000000000000000000000000000",
    ] {
        get(&app, path).await.expect_problem(404, "not_found");
    }
    let nobody = "/sandbox/persons/psn_00000000000000000000000000000000/events";
    post(&app, nobody, &json!({"event": "renew"}))
        .await
        .expect_problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_key_makes_one_person() {
    let house = TestHouse::new();
    let app = serve(&house).await;
    let body = json!({"name": "両儀　式"});
    let first = keyed(&app, "/sandbox/persons", "k-1", &body).await;
    let again = keyed(&app, "/sandbox/persons", "k-1", &body).await;
    assert_eq!(first.expect(201), again.expect(201));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    keyed(&app, "/sandbox/persons", "k-1", &json!({}))
        .await
        .expect_problem(409, "idempotency_key_reused");
    let other = keyed(&app, "/sandbox/persons", "k-2", &body).await;
    assert_ne!(id(first.expect(201)), id(other.expect(201)));
    // An event that is repeated happens once.
    let events = format!("/sandbox/persons/{}/events", id(first.expect(201)));
    let renew = json!({"event": "renew"});
    let (a, b) = (
        keyed(&app, &events, "e", &renew).await,
        keyed(&app, &events, "e", &renew).await,
    );
    assert_eq!(a.expect(200), b.expect(200));
    let now = get(&app, &format!("/sandbox/persons/{}", id(first.expect(201)))).await;
    assert_eq!(now.expect(200)["certificates"].as_array().unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_card_signs_is_the_body_of_a_verification() {
    let house = TestHouse::new();
    let app = serve(&house).await;
    let made = person(&app, &json!({})).await;
    let path = format!("/sandbox/persons/{}/sign", id(&made));
    let message = text("口座開設申込書".as_bytes());
    let by_default = post(&app, &path, &json!({"message": message}))
        .await
        .expect(200)
        .clone();
    assert_eq!(
        by_default["signed"],
        json!({"message": message, "algorithm": "sha256"})
    );
    assert_eq!(
        by_default["certificate"],
        on_card(&made, "card_signature")["certificate"]
    );
    assert_eq!(by_default.as_object().unwrap().len(), 3);
    let digest = text(&[7; 48]);
    let body = json!({"digest": digest, "algorithm": "sha384", "certificate": "authentication"});
    let other = post(&app, &path, &body).await.expect(200).clone();
    assert_eq!(
        other["signed"],
        json!({"digest": digest, "algorithm": "sha384"})
    );
    assert_eq!(
        other["certificate"],
        on_card(&made, "card_authentication")["certificate"]
    );
    assert_eq!(bytes(&other["signature"]).len(), 256);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_reason_has_a_line_and_those_of_certificates_a_person() {
    let house = TestHouse::new();
    let app = serve(&house).await;
    let list = get(&app, "/sandbox/persons").await.expect(200).clone();
    let lines = list["data"].as_array().unwrap();
    assert_eq!(lines[0]["demonstrates"], Value::Null);
    let shown: Vec<_> = lines[1..]
        .iter()
        .map(|line| line["demonstrates"].as_str().unwrap())
        .collect();
    assert_eq!(shown, Reason::ALL.map(Reason::as_str));
    for line in lines {
        let view = get(&app, &format!("/sandbox/persons/{}", id(line)))
            .await
            .expect(200)
            .clone();
        let expected = if line["by_itself"] == true {
            &line["demonstrates"]
        } else {
            &Value::Null
        };
        assert_eq!(&view["demonstrates"], expected);
        assert!(line["how_to"].as_str().unwrap().len() > 20);
        let sign = format!("/sandbox/persons/{}/sign", id(line));
        post(&app, &sign, &json!({"message": "QQ=="}))
            .await
            .expect(200);
        let state = &on_card(&view, "card_signature")["state"];
        let standing = match view["demonstrates"].as_str() {
            Some("certificate_revoked") => "revoked",
            Some("certificate_expired") => "expired",
            Some("certificate_not_yet_valid") => "not_yet_valid",
            _ => "good",
        };
        assert_eq!(state, standing, "{line}");
        // One may have one's own.
        if line["by_itself"] == true && line["demonstrates"] != Value::Null {
            let own = person(
                &app,
                &json!({"named": line["demonstrates"], "sex": "other"}),
            )
            .await;
            assert_eq!(
                (&own["demonstrates"], &own["sex"]),
                (&line["demonstrates"], &json!("other"))
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spoilt_signature_differs_from_a_sound_one() {
    let house = TestHouse::new();
    let app: App = serve(&house).await;
    let spoilt = person(&app, &json!({"named": "signature_mismatch"})).await;
    let path = format!("/sandbox/persons/{}/sign", id(&spoilt));
    let signed = post(&app, &path, &json!({"message": "QQ=="}))
        .await
        .expect(200)
        .clone();
    assert!(!verifies(
        &bytes(&signed["certificate"]),
        &bytes(&signed["signature"]),
        b"A"
    ));
    let sound = person(&app, &json!({})).await;
    let path = format!("/sandbox/persons/{}/sign", id(&sound));
    let signed = post(&app, &path, &json!({"message": "QQ=="}))
        .await
        .expect(200)
        .clone();
    assert!(verifies(
        &bytes(&signed["certificate"]),
        &bytes(&signed["signature"]),
        b"A"
    ));
}

/// `openssl`'s word on a signature.
fn verifies(certificate: &[u8], signature: &[u8], message: &[u8]) -> bool {
    let bench = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = bench.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let (certificate, signature, message) = (
        file("c", certificate),
        file("s", signature),
        file("m", message),
    );
    let public = bench.path().join("p");
    let run = |arguments: &[&std::ffi::OsStr]| {
        std::process::Command::new("openssl")
            .args(arguments)
            .output()
            .unwrap()
            .status
            .success()
    };
    let made = run(&[
        "x509".as_ref(),
        "-inform".as_ref(),
        "DER".as_ref(),
        "-in".as_ref(),
        certificate.as_ref(),
        "-pubkey".as_ref(),
        "-noout".as_ref(),
        "-out".as_ref(),
        public.as_ref(),
    ]);
    assert!(made);
    run(&[
        "dgst".as_ref(),
        "-sha256".as_ref(),
        "-verify".as_ref(),
        public.as_ref(),
        "-signature".as_ref(),
        signature.as_ref(),
        message.as_ref(),
    ])
}

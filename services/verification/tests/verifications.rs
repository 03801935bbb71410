//! Verifications over HTTP.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::{World, b64, real, signed_request};
use warikan_simulator::{CertificateChoice, Content, Defect, HashAlgorithm, Person};
use warikan_types::{ClientScope, Environment, RevocationReason};

const SIGNATURE: CertificateChoice = CertificateChoice::Signature;
const AUTHENTICATION: CertificateChoice = CertificateChoice::Authentication;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signature_is_verified_and_the_attributes_are_told_once() {
    let mut world = World::new().await;
    let card = world.card();
    let mut request = signed_request(&card, SIGNATURE, b"open an account");
    request["subject_ref"] = json!("C-1001");
    request["watch"] = json!(true);
    let answer = world.verify(&request).await;
    assert_eq!(answer["verdict"], "valid", "{answer}");
    assert_eq!(answer["reason"], Value::Null);
    assert_eq!(answer["certificate"]["kind"], "card_signature");
    assert_eq!(answer["certificate"]["environment"], "production");
    assert_eq!(answer["status"]["state"], "good");
    assert_eq!(answer["status"]["channel"], "crl");
    assert_eq!(answer["status"]["age_seconds"], 3600);
    assert_eq!(answer["attributes"]["name"], "黒桐　幹也");
    assert_eq!(
        answer["attributes"]["address"],
        "東京都清瀬市観布子南１２－７－２０２"
    );
    assert_eq!(answer["attributes"]["birth_date"]["date"], "1980-02-17");
    assert_eq!(answer["subject"]["is_new"], true);
    assert_eq!(answer["subject"]["ref"], "C-1001");
    assert!(answer["watch"]["id"].as_str().unwrap().starts_with("wch_"));
    // Not one octet of the serial number or the certificate leaves; the receipt is a compact JWS.
    assert_eq!(answer["receipt"].as_str().unwrap().split('.').count(), 3);

    let id = answer["id"].as_str().unwrap();
    let again = world
        .app
        .get(&format!("/v1/verifications/{id}"), &world.token)
        .await;
    let again = again.expect(200);
    assert_eq!(again["verdict"], "valid");
    assert!(
        again.get("attributes").is_none(),
        "attributes are not re-served"
    );

    let second = world.verify(&request).await;
    assert_eq!(second["subject"]["id"], answer["subject"]["id"]);
    assert_eq!(second["subject"]["is_new"], false);
    assert_eq!(
        second["certificate"]["handle"],
        answer["certificate"]["handle"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_of_not_being_good_is_an_answer_with_its_reason() {
    let mut world = World::new().await;
    let now = world.house.clock().now().utc();
    let card = world.card();
    let good = signed_request(&card, SIGNATURE, b"document");

    let mut tampered = good.clone();
    tampered["signed"] = json!({ "message": b64(b"another document"), "algorithm": "sha256" });
    let answer = world.verify(&tampered).await;
    assert_eq!(
        (&answer["verdict"], &answer["reason"]),
        (&json!("invalid"), &json!("signature_mismatch"))
    );
    assert_eq!(
        answer["subject"],
        Value::Null,
        "presenting a certificate makes no customer"
    );

    let cases = [
        (Defect::Expired, "certificate_expired"),
        (Defect::NotYetValid, "certificate_not_yet_valid"),
        (Defect::WrongPolicy, "profile_violation"),
        (Defect::UnknownIssuer, "issuer_unknown"),
        (Defect::ImpostorIssuer, "issuer_signature_invalid"),
        (Defect::MalformedUtf8, "certificate_malformed"),
    ];
    for (defect, reason) in cases {
        let id = world
            .jlis
            .enroll_defective(
                Person::of_the_test_card(),
                SIGNATURE,
                defect,
                &mut world.keys,
                now,
            )
            .unwrap();
        let card = world.jlis.card(id).unwrap();
        let answer = world
            .verify(&signed_request(&card, SIGNATURE, b"document"))
            .await;
        assert_eq!(answer["verdict"], "invalid", "{defect:?}: {answer}");
        assert_eq!(answer["reason"], reason, "{defect:?}: {answer}");
    }

    *world.status.silent.lock().unwrap() = true;
    let answer = world.verify(&good).await;
    assert_eq!(
        (&answer["verdict"], &answer["reason"]),
        (&json!("indeterminate"), &json!("status_unavailable"))
    );
    *world.status.silent.lock().unwrap() = false;
    let mut impatient = good.clone();
    impatient["max_age"] = json!("PT30M");
    let answer = world.verify(&impatient).await;
    assert_eq!(
        (&answer["verdict"], &answer["reason"]),
        (&json!("indeterminate"), &json!("status_stale"))
    );

    world
        .status
        .revoked
        .lock()
        .unwrap()
        .extend(serial_of(&good).map(|serial| (serial, RevocationReason::AffiliationChanged)));
    let answer = world.verify(&good).await;
    assert_eq!(
        (&answer["verdict"], &answer["reason"]),
        (&json!("invalid"), &json!("certificate_revoked"))
    );
    assert_eq!(answer["status"]["revocation_reason"], "affiliation_changed");
}

fn serial_of(request: &Value) -> Option<Vec<u8>> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let der = STANDARD.decode(request["certificate"].as_str()?).ok()?;
    Some(
        warikan_pki::Certificate::parse(&der)
            .ok()?
            .serial()
            .octets()
            .to_vec(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f033_a_real_test_card_is_read_exactly_and_refused_in_production() {
    let world = World::new().await;
    let request = json!({
        "certificate": b64(&real("test-leaf/jpki-sign-cert.der")),
        "signature": b64(&[1; 256]),
        "signed": { "message": b64(b"x"), "algorithm": "sha256" },
    });
    let answer = world.verify(&request).await;
    assert_eq!(answer["verdict"], "invalid");
    let check = |name: &str| {
        answer["checks"]
            .as_array()
            .unwrap()
            .iter()
            .find(|check| check["check"] == name)
            .unwrap()
            .clone()
    };
    assert_eq!(check("environment")["reason"], "environment_mismatch");
    assert_eq!(
        check("issuer")["result"],
        "passed",
        "the right generation of the test root vouches"
    );
    assert_eq!(
        answer["attributes"],
        Value::Null,
        "nobody of this environment vouches"
    );

    let sandbox = world.house.tenant(Environment::Sandbox);
    let token = world.house.token(sandbox, &[ClientScope::Verifications]);
    let reply = world.app.post("/v1/verifications", &token, &request).await;
    let answer = reply.expect(201);
    assert_eq!(
        answer["reason"], "signature_mismatch",
        "no one here has the card"
    );
    assert_eq!(answer["certificate"]["environment"], "sandbox");
    assert_eq!(answer["attributes"]["name"], "黒桐　幹也");
    assert_eq!(
        answer["attributes"]["address"],
        "東京都清瀬市観布子南１２－７－２０２"
    );
    assert_eq!(answer["attributes"]["birth_date"]["date"], "1980-02-17");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f020_challenge_replay() {
    let mut world = World::new().await;
    let card = world.card();
    let reply = world
        .app
        .post(
            "/v1/challenges",
            &world.token,
            &json!({ "purpose": "authentication" }),
        )
        .await;
    let challenge = reply.expect(201).clone();
    let octets = {
        use base64::{Engine, engine::general_purpose::STANDARD};
        STANDARD
            .decode(challenge["challenge"].as_str().unwrap())
            .unwrap()
    };
    let signature = card
        .sign(
            AUTHENTICATION,
            Content::Message(&octets),
            HashAlgorithm::Sha256,
        )
        .unwrap();
    let request = json!({
        "certificate": b64(card.certificate(AUTHENTICATION).unwrap()),
        "signature": b64(&signature),
        "signed": { "message": b64(&octets), "algorithm": "sha256" },
        "challenge_id": challenge["id"],
    });
    // Fifty at once, half of them through another process.
    let replica = world.replica().await;
    let all = (0..50).map(|n| {
        let app = if n % 2 == 0 { &world.app } else { &replica };
        app.post("/v1/verifications", &world.token, &request)
    });
    let replies = futures_util::future::join_all(all).await;
    let answers: Vec<&Value> = replies.iter().map(|reply| reply.expect(201)).collect();
    let valid = answers
        .iter()
        .filter(|answer| answer["verdict"] == "valid")
        .count();
    let used = answers
        .iter()
        .filter(|answer| answer["reason"] == "challenge_used")
        .count();
    assert_eq!((valid, used), (1, 49));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f021_f022_f026_a_challenge_is_bound_to_tenant_purpose_time_and_digest() {
    let mut world = World::new().await;
    let card = world.card();
    let good = signed_request(&card, SIGNATURE, b"what was shown");
    let make = json!({ "purpose": "signature", "signed": good["signed"] });
    let challenge = async || {
        let reply = world.app.post("/v1/challenges", &world.token, &make).await;
        reply.expect(201)["id"].clone()
    };
    let naming = |id: Value, mut request: Value| {
        request["challenge_id"] = id;
        request
    };

    let other_tenant = world.house.tenant(Environment::Production);
    let token = world
        .house
        .token(other_tenant, &[ClientScope::Verifications]);
    let id = challenge().await;
    let reply = world
        .app
        .post(
            "/v1/verifications",
            &token,
            &naming(id.clone(), good.clone()),
        )
        .await;
    assert_eq!(reply.expect(201)["reason"], "challenge_unknown");
    assert_eq!(
        world.verify(&naming(id, good.clone())).await["verdict"],
        "valid",
        "another tenant did not use it up"
    );

    let other_document = signed_request(&card, SIGNATURE, b"what was slipped in");
    let answer = world
        .verify(&naming(challenge().await, other_document))
        .await;
    assert_eq!(answer["reason"], "challenge_mismatch");

    let login = signed_request(&card, AUTHENTICATION, b"what was shown");
    let answer = world.verify(&naming(challenge().await, login)).await;
    assert_eq!(answer["reason"], "profile_violation");

    let (id, late) = (challenge().await, challenge().await);
    world
        .house
        .clock()
        .advance(std::time::Duration::from_secs(600))
        .unwrap();
    // Exactly at the end it is still good, a moment later it is not.
    let fresh = world
        .house
        .token(world.tenant, &[ClientScope::Verifications]);
    let reply = world
        .app
        .post("/v1/verifications", &fresh, &naming(id, good.clone()))
        .await;
    assert_eq!(reply.expect(201)["verdict"], "valid");
    world
        .house
        .clock()
        .advance(std::time::Duration::from_secs(1))
        .unwrap();
    let fresh = world
        .house
        .token(world.tenant, &[ClientScope::Verifications]);
    let reply = world
        .app
        .post("/v1/verifications", &fresh, &naming(late, good))
        .await;
    assert_eq!(reply.expect(201)["reason"], "challenge_expired");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f024_certificates_are_good_for_their_own_purpose_only() {
    let mut world = World::new().await;
    let card = world.card();
    let login_for_contract = signed_request(&card, AUTHENTICATION, b"contract");
    let answer = world.verify(&login_for_contract).await;
    assert_eq!(
        (&answer["verdict"], &answer["reason"]),
        (&json!("invalid"), &json!("profile_violation"))
    );
    assert_eq!(answer["certificate"]["kind"], "card_authentication");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f073_the_same_key_and_body_get_one_operation_and_one_answer() {
    let mut world = World::new().await;
    let card = world.card();
    let request = signed_request(&card, SIGNATURE, b"document");
    let replica = world.replica().await;
    let turn = std::sync::atomic::AtomicUsize::new(0);
    let send = |body: Value, token: String| {
        let turn = turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let app = if turn.is_multiple_of(2) {
            &world.app
        } else {
            &replica
        };
        let builder = app
            .request(reqwest::Method::POST, "/v1/verifications")
            .bearer_auth(token)
            .header("idempotency-key", "order-77")
            .json(&body);
        warikan_testkit::App::read(builder)
    };
    let all = (0..20).map(|_| send(request.clone(), world.token.clone()));
    let replies = futures_util::future::join_all(all).await;
    let first = replies[0].expect(201).clone();
    assert_eq!(
        first["attributes"]["name"], "黒桐　幹也",
        "a replay is the whole first answer"
    );
    for reply in &replies {
        assert_eq!(reply.expect(201), &first);
    }
    let list = world.app.get("/v1/verifications", &world.token).await;
    assert_eq!(list.expect(200)["data"].as_array().unwrap().len(), 1);

    let mut other = request.clone();
    other["watch"] = json!(true);
    send(other, world.token.clone())
        .await
        .expect_problem(409, "idempotency_key_reused");

    // F003: keys are namespaced by tenant.
    let stranger = world.house.tenant(Environment::Production);
    let token = world.house.token(stranger, &[ClientScope::Verifications]);
    let reply = send(request, token).await;
    assert_ne!(reply.expect(201)["id"], first["id"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_requests_are_refused_and_the_field_is_named() {
    let mut world = World::new().await;
    let card = world.card();
    let good = signed_request(&card, SIGNATURE, b"document");
    let changed = |pointer: &str, value: Value| {
        let mut body = good.clone();
        match pointer.rsplit_once('/').unwrap() {
            ("", field) => body[field] = value,
            (parent, field) => body.pointer_mut(parent).unwrap()[field] = value,
        }
        body
    };
    let cases = [
        ("/certificate", json!("not base64!"), "/certificate"),
        ("/certificate", json!(b64(b"not der")), "/certificate"),
        (
            "/certificate",
            json!(b64(&[0x30, 0x82, 0xff, 0xff])),
            "/certificate",
        ),
        ("/signature", json!(""), "/signature"),
        ("/signature", json!(5), "/signature"),
        ("/signed/digest", json!(b64(&[1; 31])), "/signed/digest"),
        ("/signed/algorithm", json!("sha1"), "/signed/algorithm"),
        ("/signed/extra", json!(1), "/signed/extra"),
        ("/tenant_id", json!("ten_x"), "/tenant_id"),
        ("/verdict", json!("valid"), "/verdict"),
        ("/max_age", json!("24h"), "/max_age"),
        ("/challenge_id", json!("ver_0"), "/challenge_id"),
        ("/subject_ref", json!("a\u{7}b"), "/subject_ref"),
        ("/channel", json!("carrier pigeon"), "/channel"),
    ];
    for (pointer, value, named) in cases {
        let reply = world
            .app
            .post("/v1/verifications", &world.token, &changed(pointer, value))
            .await;
        let problem = reply.expect_problem(400, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], named, "{problem}");
    }
    let raw = |body: Vec<u8>, media_type: &str| {
        let request = world
            .app
            .request(reqwest::Method::POST, "/v1/verifications")
            .bearer_auth(&world.token)
            .header("content-type", media_type)
            .body(body);
        warikan_testkit::App::read(request)
    };
    raw(b"{".to_vec(), "application/json")
        .await
        .expect_problem(400, "invalid_json");
    raw(b"{} {}".to_vec(), "application/json")
        .await
        .expect_problem(400, "invalid_request");
    raw(b"\xff\xfe".to_vec(), "application/json")
        .await
        .expect_problem(400, "invalid_json");
    raw("[".repeat(100_000).into_bytes(), "application/json")
        .await
        .expect(400);
    raw(good.to_string().into_bytes(), "text/plain")
        .await
        .expect_problem(415, "unsupported_media_type");
    raw(vec![b' '; 300 * 1024], "application/json")
        .await
        .expect_problem(413, "body_too_large");
    let twice = good
        .to_string()
        .replacen('{', "{\"watch\":true,\"watch\":false,", 1);
    let reply = raw(twice.into_bytes(), "application/json").await;
    assert_eq!(
        reply.expect_problem(400, "invalid_request")["errors"][0]["pointer"],
        "/watch"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f001_another_tenants_things_are_not_there() {
    let mut world = World::new().await;
    let card = world.card();
    let answer = world
        .verify(&signed_request(&card, SIGNATURE, b"document"))
        .await;
    let verification = answer["id"].as_str().unwrap();
    let subject = answer["subject"]["id"].as_str().unwrap();
    for environment in Environment::ALL {
        let stranger = world.house.tenant(environment);
        let token = world.house.token(
            stranger,
            &[ClientScope::Verifications, ClientScope::Subjects],
        );
        let app = &world.app;
        for path in [
            format!("/v1/verifications/{verification}"),
            format!("/v1/subjects/{subject}"),
        ] {
            app.get(&path, &token)
                .await
                .expect_problem(404, "not_found");
        }
        app.post(
            &format!("/v1/verifications/{verification}/revalidate"),
            &token,
            &json!({}),
        )
        .await
        .expect_problem(404, "not_found");
        app.post(&format!("/v1/subjects/{subject}/check"), &token, &json!({}))
            .await
            .expect_problem(404, "not_found");
        app.delete(&format!("/v1/subjects/{subject}"), &token)
            .await
            .expect_problem(404, "not_found");
        assert_eq!(
            app.get("/v1/verifications", &token).await.expect(200)["data"],
            json!([])
        );
        assert_eq!(
            app.get("/v1/subjects", &token).await.expect(200)["data"],
            json!([])
        );
    }
    let mine = world
        .app
        .get(&format!("/v1/subjects/{subject}"), &world.token)
        .await;
    assert_eq!(
        mine.expect(200)["erased_at"],
        Value::Null,
        "nothing was changed"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f052_evidence_decides_the_same_again_whatever_happened_since() {
    let mut world = World::new().await;
    let card = world.card();
    let request = signed_request(&card, SIGNATURE, b"document");
    let answer = world.verify(&request).await;
    world
        .status
        .revoked
        .lock()
        .unwrap()
        .extend(serial_of(&request).map(|serial| (serial, RevocationReason::KeyCompromise)));
    let path = format!(
        "/v1/verifications/{}/revalidate",
        answer["id"].as_str().unwrap()
    );
    let again = world.app.post(&path, &world.token, &json!({})).await;
    let again = again.expect(200);
    assert_eq!(again["verdict"], "valid");
    assert_eq!(again["same_as_recorded"], true);
    assert_eq!(again["checks"], answer["checks"]);
    let later = world
        .app
        .post(
            &path,
            &world.token,
            &json!({ "at": "2040-01-01T00:00:00Z" }),
        )
        .await;
    let later = later.expect(200);
    assert_eq!(later["reason"], "certificate_expired");
    assert_eq!(later["same_as_recorded"], false);
    assert_eq!(
        world.verify(&request).await["reason"],
        "certificate_revoked"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subject_is_checked_and_erased() {
    let mut world = World::new().await;
    let card = world.card();
    let mut request = signed_request(&card, SIGNATURE, b"document");
    request["subject_ref"] = json!("C-7");
    let answer = world.verify(&request).await;
    let subject = format!("/v1/subjects/{}", answer["subject"]["id"].as_str().unwrap());
    let check = world
        .app
        .post(&format!("{subject}/check"), &world.token, &json!({}))
        .await;
    assert_eq!(check.expect(200)["state"], "good");
    assert_eq!(
        check.json["certificates"][0]["handle"],
        answer["certificate"]["handle"]
    );

    world.app.delete(&subject, &world.token).await.expect(204);
    let tombstone = world.app.get(&subject, &world.token).await;
    let tombstone = tombstone.expect(200);
    assert_ne!(tombstone["erased_at"], Value::Null);
    assert_eq!(
        (&tombstone["ref"], &tombstone["certificates"]),
        (&Value::Null, &json!([]))
    );
    let path = format!("/v1/verifications/{}", answer["id"].as_str().unwrap());
    world
        .app
        .get(&path, &world.token)
        .await
        .expect_problem(404, "not_found");
    let next = world.verify(&request).await;
    assert_ne!(
        next["subject"]["id"], answer["subject"]["id"],
        "an erased person comes as a stranger"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f041_a_subject_is_not_good_by_a_list_that_has_ended() {
    let mut world = World::new().await;
    let card = world.card();
    let request = signed_request(&card, SIGNATURE, b"document");
    let answer = world.verify(&request).await;
    let path = format!(
        "/v1/subjects/{}/check",
        answer["subject"]["id"].as_str().unwrap()
    );
    let published = |hours: u64| {
        let age = Duration::from_secs(hours * 3600);
        *world.status.frozen.lock().unwrap() = Some(world.house.clock().now().minus(age));
    };
    let check = async || {
        let check = world.app.post(&path, &world.token, &json!({})).await;
        let check = check.expect(200).clone();
        let status = check["certificates"][0]["status"].clone();
        assert_eq!(check["state"], status["state"]);
        (check["state"].clone(), status)
    };

    // Its nextUpdate is 48 hours after its thisUpdate.
    published(48);
    assert_eq!(check().await.0, "good");
    published(49);
    let (state, status) = check().await;
    assert_eq!(state, "unknown");
    assert_eq!(status["age_seconds"], 49 * 3600, "how old it is, is told");

    let serial = serial_of(&request).unwrap();
    let revoked = RevocationReason::AffiliationChanged;
    world.status.revoked.lock().unwrap().insert(serial, revoked);
    assert_eq!(
        check().await.0,
        "revoked",
        "what was revoked once stays revoked"
    );
}

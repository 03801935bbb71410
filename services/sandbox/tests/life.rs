//! What happens to persons and populations, over HTTP.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use common::{get, happen, id, on_card, person, post, serve};
use serde_json::json;
use warikan_testkit::TestHouse;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_events_and_controls_are_named() {
    let house = TestHouse::new();
    let app = serve(&house).await;
    let known = person(&app, &json!({})).await;
    let events = format!("/sandbox/persons/{}/events", id(&known));
    for (path, body, pointer) in [
        (events.as_str(), json!({}), "/event"),
        (events.as_str(), json!({"event": "fly"}), "/event"),
        (events.as_str(), json!({"event": "move"}), "/address"),
        (events.as_str(), json!({"event": "rename"}), "/name"),
        (
            events.as_str(),
            json!({"event": "lose", "address": "x"}),
            "/address",
        ),
        (
            events.as_str(),
            json!({"event": "lose", "hold": {}}),
            "/event",
        ),
        (
            events.as_str(),
            json!({"event": "lose", "type": "lose"}),
            "/event",
        ),
        ("/sandbox/clock", json!({"advance": "1 day"}), "/advance"),
        ("/sandbox/clock", json!({}), "/advance"),
        ("/sandbox/faults", json!({"fault": "fire"}), "/fault"),
        (
            "/sandbox/faults",
            json!({"fault": "crl_corrupt", "partition": "x"}),
            "/partition",
        ),
    ] {
        let reply = post(&app, path, &body).await;
        let problem = reply.expect_problem(400, "invalid_request");
        assert_eq!(
            problem["errors"][0]["pointer"], pointer,
            "{path} {body}: {problem}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn life_happens_in_three_spellings() {
    let house = TestHouse::new();
    let app = serve(&house).await;
    let address = "東京都新宿区本町１－１－１";
    for body in [
        json!({"event": "move", "address": address}),
        json!({"type": "move", "address": address}),
        json!({"move": {"address": address}}),
        json!({"event": "move", "address": address, "municipality": "新宿区"}),
    ] {
        let made = person(&app, &json!({"address": "東京都清瀬市中里１－１"})).await;
        let old = on_card(&made, "card_signature")["certificate"].clone();
        let moved = happen(&app, id(&made), &body).await.expect(200).clone();
        assert_eq!(moved["event"], "move");
        let [revoked] = moved["revoked"].as_array().unwrap().as_slice() else {
            panic!("{moved}")
        };
        assert_eq!(
            (
                &revoked["reason"],
                &revoked["kind"],
                &revoked["certificate"]
            ),
            (
                &json!("affiliation_changed"),
                &json!("card_signature"),
                &old
            )
        );
        let [issued] = moved["issued"].as_array().unwrap().as_slice() else {
            panic!("{moved}")
        };
        assert_eq!(issued["replaces"], old);
        let person = &moved["person"];
        assert_eq!(
            (&person["address"], &person["municipality"]),
            (&json!(address), &json!("tokyo-to_shinjuku-ku"))
        );
        assert_eq!(
            on_card(person, "card_signature")["certificate"],
            issued["certificate"]
        );
        assert_eq!(on_card(person, "card_authentication")["state"], "good");
    }
    for (body, reason, issued) in [
        (
            json!({"rename": {"name": "両儀　幹也"}}),
            "affiliation_changed",
            1,
        ),
        (json!({"renew": null}), "superseded", 2),
        (json!({"event": "lose"}), "key_compromise", 0),
        (json!({"hold": {}}), "certificate_hold", 0),
        (json!({"event": "cancel"}), "cessation_of_operation", 0),
        (json!({"event": "discard"}), "unspecified", 0),
        (json!({"type": "reissue"}), "superseded", 2),
    ] {
        let made = person(&app, &json!({})).await;
        let outcome = happen(&app, id(&made), &body).await.expect(200).clone();
        assert_eq!(outcome["revoked"][0]["reason"], reason, "{body}");
        assert_eq!(
            outcome["issued"].as_array().unwrap().len(),
            issued,
            "{body}"
        );
    }
    let made = person(&app, &json!({})).await;
    let died = happen(&app, id(&made), &json!({"event": "die"}))
        .await
        .expect(200)
        .clone();
    assert_eq!(
        (&died["revoked"][1]["reason"], &died["person"]["deceased"]),
        (&json!("cessation_of_operation"), &json!(true))
    );
    happen(&app, id(&made), &json!({"event": "renew"}))
        .await
        .expect_problem(409, "conflict");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_population_has_as_many_members_as_asked() {
    let house = TestHouse::new();
    let app = serve(&house).await;
    let made = post(&app, "/sandbox/populations", &json!({"size": 120}))
        .await
        .expect(201)
        .clone();
    let persons = made["persons"].as_array().unwrap();
    assert_eq!((persons.len(), &made["shared_keys"]), (120, &json!(4)));
    let member = get(&app, &format!("/sandbox/persons/{}", id(&persons[119])))
        .await
        .expect(200)
        .clone();
    assert_eq!(
        on_card(&member, "card_signature")["certificate"],
        persons[119]["certificate"]
    );
    let moved = happen(
        &app,
        id(&persons[7]),
        &json!({"event": "move", "address": "高知県高知市本町１"}),
    )
    .await;
    assert_eq!(
        moved.expect(200)["revoked"][0]["certificate"],
        persons[7]["certificate"]
    );
}

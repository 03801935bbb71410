//! The audit trail: what is in it, who reads it, and that nothing of it can change unnoticed.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend};
use serde_json::{Value, json};
use warikan_contracts::{Envelope, facts::OperatorActed};
use warikan_messaging::Outbox;
use warikan_onboarding::{Verified, verify_export, verify_stored};
use warikan_testkit::App;
use warikan_types::{ClientScope, Environment, Event, Id, TenantId, TenantScope};

use crate::world::World;

/// The first operator, as the trail names it, and a token.
async fn operator(world: &World) -> (String, String) {
    let first = world.first_credential();
    let reply = world.token(&first["client_id"], &first["client_secret"], &[]);
    let token = reply.await.expect(200)["access_token"].clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&first["client_id"]), text(&token))
}

fn keys(world: &World) -> Vec<u8> {
    serde_json::to_vec(&world.house.platform.keys.jwks()).unwrap()
}

async fn records(world: &World, path: &str, token: &str) -> Vec<Value> {
    let reply = world.app.get(path, token).await;
    reply.expect(200)["data"].as_array().unwrap().clone()
}

fn acts(records: &[Value]) -> Vec<&str> {
    records
        .iter()
        .map(|record| record["act"].as_str().unwrap())
        .collect()
}

async fn stored(world: &World, heads: Option<&[u8]>) -> Verified {
    let db = world.house.database("onboarding").await;
    verify_stored(&db, &keys(world), heads).await.unwrap()
}

fn found(verified: &Verified) -> Vec<String> {
    let line =
        |finding: &warikan_onboarding::Finding| format!("{}: {}", finding.chain, finding.what);
    verified.findings.iter().map(line).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_act_is_recorded_with_who_when_and_on_what() {
    let world = World::new().await;
    let (account, token) = operator(&world).await;
    let tenant = world.tenant(&token).await;
    let path = format!("/v1/operator/tenants/{tenant}/checklist");
    let item =
        json!({ "item": "delegation_contract", "evidence": "契約-17", "date": "2026-11-01" });
    let request = world.app.request(reqwest::Method::POST, &path);
    let request = request
        .bearer_auth(&token)
        .header("x-request-id", "request-0017");
    App::read(request.json(&item)).await.expect(200);
    world.to(&token, &tenant, "contracted").await.expect(200);
    // Repeated, it is no act.
    world.to(&token, &tenant, "contracted").await.expect(200);
    let made = world.credential(&token, &tenant, "sandbox").await;
    let client = made.expect(201)["client_id"].as_str().unwrap().to_owned();
    let one = format!("/v1/operator/tenants/{tenant}/credentials/{client}");
    world
        .app
        .post(&format!("{one}/rotate"), &token, &json!({}))
        .await
        .expect(200);
    world.app.delete(&one, &token).await.expect(204);
    world.app.delete(&one, &token).await.expect(204);
    let body = json!({ "to": "closed", "reason": "契約終了" });
    let state = format!("/v1/operator/tenants/{tenant}/state");
    world.app.post(&state, &token, &body).await.expect(200);
    world.app.run("onboarding.sign_ins").await;

    let all = records(&world, "/v1/operator/audit", &token).await;
    let told = [
        "operator.bootstrapped",
        "token.granted",
        "tenant.created",
        "checklist.recorded",
        "tenant.contracted",
        "credential.created",
        "credential.rotated",
        "credential.revoked",
        "tenant.closed",
    ];
    assert_eq!(acts(&all), told);
    let own = format!("/v1/operator/audit?of={tenant}");
    assert_eq!(acts(&records(&world, &own, &token).await), told[2..]);
    let operators = records(&world, "/v1/operator/audit?of=operator", &token).await;
    assert_eq!(acts(&operators), told[..2]);
    let item = &all[3];
    assert_eq!(item["actor"], json!({ "kind": "operator", "id": account }));
    assert_eq!(item["subject"], tenant);
    assert_eq!(item["request_id"], "request-0017");
    assert_eq!(item["at"], "2026-11-21T00:00:00Z");
    assert_eq!(item["outcome"], "done");
    let details =
        json!({ "item": "delegation_contract", "evidence": "契約-17", "date": "2026-11-01" });
    assert_eq!(item["details"], details);
    assert_eq!(
        (&item["chain"], &item["sequence"]),
        (&json!(tenant), &json!(2))
    );
    assert_eq!(all[5]["chain"], format!("{tenant}/sandbox"));
    assert_eq!(all[6]["subject"], client);
    assert_eq!(all[8]["details"]["reason"], "契約終了");
    let text = serde_json::to_string(&all).unwrap();
    assert!(!text.contains("wks_"), "no secret is in it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f002_the_trail_is_read_page_by_page_and_a_cursor_is_of_its_list() {
    let world = World::new().await;
    let token = world.house.operator_token();
    let tenant = world.tenant(&token).await;
    world.go_live(&token, &tenant).await;
    let all = records(&world, "/v1/operator/audit", &token).await;
    let told = acts(&all);
    let own = format!("/v1/operator/audit?of={tenant}");
    let page = world.app.get("/v1/operator/audit?limit=4", &token).await;
    let cursor = page.expect(200)["next_cursor"].as_str().unwrap().to_owned();
    let next = format!("/v1/operator/audit?limit=4&cursor={cursor}");
    assert_eq!(acts(&records(&world, &next, &token).await), told[4..8]);
    // A cursor of another list is none here.
    let other = format!("{own}&cursor={cursor}");
    world
        .app
        .get(&other, &token)
        .await
        .expect_problem(400, "invalid_request");
    for of in ["someone", "ten_1"] {
        let path = format!("/v1/operator/audit?of={of}");
        world
            .app
            .get(&path, &token)
            .await
            .expect_problem(400, "invalid_request");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f001_a_tenant_reads_its_own_trail_of_its_environment_and_nobody_elses() {
    let world = World::new().await;
    let operator = world.house.operator_token();
    let (one, other) = (world.tenant(&operator).await, world.tenant(&operator).await);
    world.go_live(&operator, &one).await;
    world
        .credential(&operator, &one, "production")
        .await
        .expect(201);
    let made = world.credential(&operator, &one, "sandbox").await;
    let sandbox = made.expect(201)["client_id"].clone();
    world
        .credential(&operator, &other, "sandbox")
        .await
        .expect(201);
    let tenant: TenantId = one.parse().unwrap();
    let scope = TenantScope::of_event(tenant, Environment::Sandbox);
    let token = world.house.token(scope, &[ClientScope::Access]);
    let seen = records(&world, "/v1/audit", &token).await;
    let chains: Vec<&str> = seen
        .iter()
        .map(|one| one["chain"].as_str().unwrap())
        .collect();
    let sandboxes = format!("{one}/sandbox");
    assert!(
        chains
            .iter()
            .all(|chain| *chain == one || *chain == sandboxes),
        "{chains:?}"
    );
    assert_eq!(seen.last().unwrap()["subject"], sandbox);
    assert_eq!(seen.len(), 1 + 4 + 3 + 1);
    let reply = world.app.get("/v1/audit/export", &token).await;
    assert_eq!(reply.headers["content-type"], "application/x-ndjson");
    let verified = verify_export(reply.body.as_slice(), &keys(&world), None).unwrap();
    assert_eq!(found(&verified), [""; 0]);
    assert_eq!((verified.records, verified.chains), (9, 2));
    assert!(!String::from_utf8(reply.body).unwrap().contains(&other));
    let narrow = world.house.token(scope, &ClientScope::USUAL);
    for path in ["/v1/audit", "/v1/audit/export"] {
        world
            .app
            .get(path, &narrow)
            .await
            .expect_problem(403, "insufficient_scope");
    }
    for path in [
        "/v1/operator/audit",
        "/v1/operator/audit/export",
        "/v1/operator/audit/heads",
    ] {
        world
            .app
            .get(path, &token)
            .await
            .expect_problem(403, "insufficient_scope");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_sign_ins_of_known_credentials_are_recorded_and_unknown_ones_are_not() {
    let world = World::new().await;
    let (account, token) = operator(&world).await;
    let tenant = world.tenant(&token).await;
    let made = world.credential(&token, &tenant, "sandbox").await;
    let credential = made.expect(201).clone();
    let wrong = json!("wks_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    for _ in 0..3 {
        world
            .token(&credential["client_id"], &wrong, &[])
            .await
            .expect(401);
    }
    world.token(&json!(account), &wrong, &[]).await.expect(401);
    world
        .token(&json!("cli_00000000000000000000000000000000"), &wrong, &[])
        .await
        .expect(401);
    let (id, secret) = (&credential["client_id"], &credential["client_secret"]);
    world.token(id, secret, &[]).await.expect(200);
    world.to(&token, &tenant, "closed").await.expect(200);
    world.token(id, secret, &[]).await.expect(401);
    world.app.run("onboarding.sign_ins").await;
    world.app.run("onboarding.sign_ins").await;
    let all = records(&world, "/v1/operator/audit", &token).await;
    let mut told: Vec<Value> = all
        .iter()
        .filter(|one| one["act"] == "token.granted")
        .map(|one| {
            json!([
                one["outcome"],
                one["subject"],
                one["details"]["reason"],
                one["details"]["times"]
            ])
        })
        .collect();
    told.sort_unstable_by_key(ToString::to_string);
    let mut expected = vec![
        json!(["done", account, null, "1"]),
        json!(["refused", account, "secret", "1"]),
        json!(["refused", id, "revoked", "1"]),
        json!(["refused", id, "secret", "3"]),
    ];
    expected.sort_unstable_by_key(ToString::to_string);
    assert_eq!(told, expected);
    let of_tenant = all
        .iter()
        .find(|one| one["details"]["reason"] == "revoked")
        .unwrap();
    assert_eq!(of_tenant["chain"], format!("{tenant}/sandbox"));
    assert_eq!(
        of_tenant["actor"],
        json!({ "kind": "system", "id": null }),
        "whose name was used is no proof of who it was"
    );
    assert_eq!(of_tenant["details"]["address"], "127.0.0.1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acts_in_other_services_are_heard_once() {
    let world = World::new().await;
    let operator = world.house.operator_token();
    let platform = &world.house.platform;
    let now = platform.clock().now();
    let db = world.house.database("onboarding").await;
    let scope = world.house.tenant(Environment::Production);
    let fact = OperatorActed {
        client: platform.entropy.id(now),
        tenant: Some(scope.tenant()),
        environment: Some(scope.environment()),
        act: "invoice.voided".to_owned(),
        subject: Some("inv_1".to_owned()),
        request_id: Some("request-0001".to_owned()),
        details: [("reissued".to_owned(), "true".to_owned())].into(),
    };
    let id: Id<Event> = platform.entropy.id(now);
    let envelope = Envelope::of(id, None, now, "inv_1", &fact);
    Outbox::append(&db, [envelope]).await.unwrap();
    let published = || async { world.app.run("onboarding.relay").await };
    published().await;
    // As after a crash between the effect and the mark.
    db.execute_unprepared("UPDATE outbox SET sent_at = NULL, lease_until = NULL")
        .await
        .unwrap();
    published().await;
    let path = format!("/v1/operator/audit?of={}", scope.tenant());
    let told = records(&world, &path, &operator).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["act"], "invoice.voided");
    assert_eq!(told[0]["chain"], format!("{}/production", scope.tenant()));
    assert_eq!(
        told[0]["actor"],
        json!({ "kind": "operator", "id": fact.client })
    );
    assert_eq!(told[0]["details"], json!({ "reissued": "true" }));
}

/// Two processes and many requests at once: every record has one before it, and each chain is one line.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_appends_do_not_fork_a_chain() {
    let world = World::new().await;
    let operator = world.house.operator_token();
    let tenant = world.tenant(&operator).await;
    let replica = world.replica().await;
    let path = format!("/v1/operator/tenants/{tenant}/checklist");
    let record = |number: usize| {
        let app = [&world.app, &replica][number % 2];
        let body = json!({ "item": "filing", "evidence": format!("doc-{number}") });
        let request = app.request(reqwest::Method::POST, &path);
        tokio::spawn(App::read(request.bearer_auth(&operator).json(&body)))
    };
    let all: Vec<_> = (0..24).map(record).collect();
    for reply in all {
        reply.await.unwrap().expect(200);
    }
    let verified = stored(&world, None).await;
    assert_eq!(found(&verified), [""; 0]);
    assert_eq!((verified.records, verified.chains), (1 + 1 + 24, 2));
}

/// A trail of five records in a tenant's chain.
async fn trail() -> (World, String, String) {
    let world = World::new().await;
    let operator = world.house.operator_token();
    let tenant = world.tenant(&operator).await;
    let path = format!("/v1/operator/tenants/{tenant}/checklist");
    for item in [
        "delegation_contract",
        "disqualification_check",
        "filing",
        "agreement",
    ] {
        let body = json!({ "item": item, "evidence": format!("doc/{item}") });
        world.app.post(&path, &operator, &body).await.expect(200);
    }
    (world, operator, tenant)
}

/// As somebody who holds the database itself.
async fn unlocked(world: &World) -> DatabaseConnection {
    let db = world.house.database("onboarding").await;
    for act in [
        "UPDATE audit_record SET act = 'x'",
        "DELETE FROM audit_record",
    ] {
        let refused = db.execute_unprepared(act).await.unwrap_err().to_string();
        assert!(refused.contains("stay as they are"), "{refused}");
    }
    let unlock: &[&str] = match db.get_database_backend() {
        DbBackend::Postgres => &["DROP TRIGGER audit_record_stays ON audit_record"],
        _ => &[
            "DROP TRIGGER audit_record_no_update",
            "DROP TRIGGER audit_record_no_delete",
        ],
    };
    for sql in unlock {
        db.execute_unprepared(sql).await.unwrap();
    }
    db
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_done_to_the_stored_trail_is_named() {
    let mine = |tenant: &str, rest: &str| format!("{rest} chain = '{tenant}'");
    type Cut = fn(&str) -> Vec<String>;
    let cases: [(&str, Cut, &[&str]); 6] = [
        (
            "changed",
            |_| vec!["UPDATE audit_record SET details = '{}' WHERE sequence = 3 AND".to_owned()],
            &["record 3 ("],
        ),
        (
            "someone else's act",
            |_| vec!["UPDATE audit_record SET actor = NULL WHERE sequence = 2 AND".to_owned()],
            &["record 2 ("],
        ),
        (
            "removed",
            |_| vec!["DELETE FROM audit_record WHERE sequence = 3 AND".to_owned()],
            &["record 3 is missing"],
        ),
        (
            "changed places",
            |_| {
                [
                    "9 WHERE sequence = 2",
                    "2 WHERE sequence = 3",
                    "3 WHERE sequence = 9",
                ]
                .map(|part| format!("UPDATE audit_record SET sequence = {part} AND"))
                .to_vec()
            },
            &[
                "record 2 does not follow",
                "record 2 (",
                "record 3 does not follow",
                "record 3 (",
                "record 4 does not follow",
            ],
        ),
        (
            "cut off",
            |_| vec!["DELETE FROM audit_record WHERE sequence > 3 AND".to_owned()],
            &["records 4 to 5 are cut off"],
        ),
        (
            "cut off with its head",
            |_| {
                vec![
                    "DELETE FROM audit_record WHERE sequence > 3 AND".to_owned(),
                    "UPDATE audit_head SET length = 3 WHERE".to_owned(),
                ]
            },
            &["the head is not signed"],
        ),
    ];
    for (what, cut, named) in cases {
        let (world, _, tenant) = trail().await;
        assert_eq!(found(&stored(&world, None).await), [""; 0]);
        let db = unlocked(&world).await;
        for sql in cut(&tenant) {
            db.execute_unprepared(&mine(&tenant, &sql)).await.unwrap();
        }
        let told = found(&stored(&world, None).await);
        assert_eq!(told.len(), named.len(), "{what}: {told:?}");
        for (line, part) in told.iter().zip(named) {
            let start = format!("{tenant}: {part}");
            assert!(line.starts_with(&start), "{what}: {line} is not {start}");
        }
    }
}

/// Who writes to the database and kept an older head of it puts that back; or takes a whole chain away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_rolled_back_whole_is_shown_by_heads_that_were_kept() {
    let (world, operator, tenant) = trail().await;
    let heads = || async {
        let reply = world.app.get("/v1/operator/audit/heads", &operator).await;
        reply.expect(200).clone()
    };
    let early = heads().await;
    let of = |heads: &Value, member: &str| {
        let all = heads["data"].as_array().unwrap();
        let one = all.iter().find(|one| one["chain"] == tenant).unwrap();
        one[member].to_string().replace('"', "'")
    };
    world.to(&operator, &tenant, "contracted").await.expect(200);
    let kept = serde_json::to_vec(&heads().await).unwrap();
    assert_eq!(found(&stored(&world, Some(&kept)).await), [""; 0]);
    // What follows later does not make a kept head wrong.
    world.to(&operator, &tenant, "closed").await.expect(200);
    assert_eq!(found(&stored(&world, Some(&kept)).await), [""; 0]);
    let early_bytes = serde_json::to_vec(&early).unwrap();
    assert_eq!(found(&stored(&world, Some(&early_bytes)).await), [""; 0]);

    let db = unlocked(&world).await;
    let chain = format!("chain = '{tenant}'");
    for sql in [
        format!("DELETE FROM audit_record WHERE sequence > 5 AND {chain}"),
        format!(
            "UPDATE audit_head SET length = 5, hash = {}, statement = {} WHERE {chain}",
            of(&early, "hash"),
            of(&early, "statement")
        ),
    ] {
        db.execute_unprepared(&sql).await.unwrap();
    }
    assert_eq!(
        found(&stored(&world, None).await),
        [""; 0],
        "in itself it is whole"
    );
    let told = found(&stored(&world, Some(&kept)).await);
    assert_eq!(
        told,
        [format!(
            "{tenant}: record 6, which the kept head names, is cut off"
        )]
    );
    for table in ["audit_record", "audit_head"] {
        let sql = format!("DELETE FROM {table} WHERE {chain}");
        db.execute_unprepared(&sql).await.unwrap();
    }
    let told = found(&stored(&world, Some(&kept)).await);
    assert_eq!(told.len(), 1, "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_is_judged_by_itself_and_the_public_keys() {
    let (world, operator, tenant) = trail().await;
    let reply = world
        .app
        .get(&format!("/v1/operator/audit/export?of={tenant}"), &operator)
        .await;
    let text = String::from_utf8(reply.body).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 7, "five records, a head, the end");
    let judge = |lines: &[&str], keys: &[u8]| {
        let text = lines.join("\n");
        found(&verify_export(text.as_bytes(), keys, None).unwrap())
    };
    let keys = keys(&world);
    assert_eq!(judge(&lines, &keys), [""; 0]);
    let changed = lines[2].replace("doc/disqualification_check", "doc/another");
    assert_ne!(changed, lines[2]);
    let with = |at: usize, line: &str| -> Vec<String> {
        let mut all: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        line.clone_into(&mut all[at]);
        all
    };
    let all = with(2, &changed);
    let told = judge(&all.iter().map(String::as_str).collect::<Vec<_>>(), &keys);
    assert!(
        told[0].contains("record 3 (aud_") && told[0].ends_with("was changed"),
        "{told:?}"
    );
    assert_eq!(told.len(), 1);
    let removed: Vec<&str> = lines
        .iter()
        .enumerate()
        .filter(|(at, _)| *at != 1)
        .map(|(_, line)| *line)
        .collect();
    let told = judge(&removed, &keys);
    assert_eq!(
        told,
        [
            format!("{tenant}: record 2 is missing"),
            "export: it has 4 records, its last line says 5".to_owned()
        ]
    );
    let moved = [
        lines[0], lines[2], lines[1], lines[3], lines[4], lines[5], lines[6],
    ];
    let told = judge(&moved, &keys);
    assert!(
        told.iter()
            .any(|line| line.contains("record 2 stands after record 3")),
        "{told:?}"
    );
    let told = judge(&lines[..5], &keys);
    assert_eq!(told.len(), 2, "no head, no end: {told:?}");
    let strangers = serde_json::to_vec(
        &warikan_runtime::Keys::ephemeral(&warikan_types::Entropy::seeded(3)).jwks(),
    )
    .unwrap();
    let told = judge(&lines, &strangers);
    assert_eq!(
        told,
        [format!(
            "{tenant}: the head is not signed by these keys, or was changed"
        )]
    );
    // What is no export is none.
    assert!(verify_export("{}".as_bytes(), &keys, None).is_err());
    assert!(verify_export(text.as_bytes(), b"{}", None).is_err());
}

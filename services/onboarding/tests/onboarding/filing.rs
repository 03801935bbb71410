//! What the law wants to know of a tenant, and the filing that is drafted from it.

use reqwest::{Method, header::ACCEPT};
use serde_json::{Value, json};
use warikan_onboarding::{Config, Filer};
use warikan_testkit::{App, Reply};

use crate::world::World;

async fn put(world: &World, token: &str, tenant: &str, body: &Value) -> Reply {
    let path = format!("/v1/operator/tenants/{tenant}/particulars");
    let request = world.app.request(Method::PUT, &path);
    App::read(request.bearer_auth(token).json(body)).await
}

fn particulars() -> Value {
    json!({
        "address": "東京都清瀬市観布子南１－２－３",
        "representative": "代表取締役　割勘　太郎",
        "corporate_number": "7000012050002",
        "purposes": ["口座開設時の本人確認", "住所変更の届出"],
        "contact": "コンプライアンス部 03-0000-0000",
    })
}

fn filer() -> Config {
    Config {
        filer: Some(Filer {
            name: "割り勘プラットフォーム株式会社".to_owned(),
            address: "東京都千代田区一番町１".to_owned(),
            representative: "代表取締役　宴　幹事".to_owned(),
            certification: "第000号（2026年4月1日）".to_owned(),
        }),
        ..Config::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filing_is_drafted_from_what_is_recorded_and_says_what_is_missing() {
    let world = World::with(filer()).await;
    let operator = world.house.operator_token();
    let tenant = world.tenant(&operator).await;
    let path = format!("/v1/operator/tenants/{tenant}/filing");
    let draft = world.app.get(&path, &operator).await;
    let missing = json!([
        "particulars",
        "delegation_contract",
        "disqualification_check"
    ]);
    assert_eq!(draft.expect(200)["missing"], missing);
    let view = put(&world, &operator, &tenant, &particulars()).await;
    assert_eq!(view.expect(200)["particulars"], particulars());
    for (item, evidence) in [
        ("delegation_contract", "契約-17"),
        ("disqualification_check", "<調書>&"),
        ("filing", "受付-3"),
    ] {
        let path = format!("/v1/operator/tenants/{tenant}/checklist");
        let body = json!({ "item": item, "evidence": evidence, "date": "2026-11-01" });
        world.app.post(&path, &operator, &body).await.expect(200);
    }
    let draft = world.app.get(&path, &operator).await;
    let draft = draft.expect(200);
    assert_eq!(draft["missing"], json!([]));
    assert_eq!(draft["title"], "署名検証者の届出（案）");
    assert!(
        draft["legal_basis"]
            .as_str()
            .unwrap()
            .contains("第17条第1項")
    );
    assert_eq!(draft["addressee"], "地方公共団体情報システム機構");
    assert_eq!(draft["drafted_on"], "2026-11-21");
    assert_eq!(draft["filer"]["certification"], "第000号（2026年4月1日）");
    assert_eq!(draft["name"], "割勘証券株式会社");
    assert_eq!(draft["particulars"], particulars());
    assert_eq!(
        draft["documents"].as_array().unwrap().len(),
        2,
        "the filing itself is none of its documents"
    );

    let request = world.app.request(Method::GET, &path).bearer_auth(&operator);
    let page = App::read(request.header(ACCEPT, "text/html")).await;
    assert_eq!(page.status, 200);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert!(
        page.headers["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("default-src 'none'")
    );
    let html = String::from_utf8(page.body).unwrap();
    for words in [
        "<!DOCTYPE html>",
        "<h1>署名検証者の届出（案）</h1>",
        "割り勘プラットフォーム株式会社",
        "割勘証券株式会社",
        "代表取締役　割勘　太郎",
        "口座開設時の本人確認、住所変更の届出",
        "&lt;調書&gt;&amp;（2026-11-01）",
    ] {
        assert!(html.contains(words), "{words}: {html}");
    }
    assert!(!html.contains("<調書>") && !html.contains("不足") && !html.contains("<script"));
    let trail = world
        .app
        .get(&format!("/v1/operator/audit?of={tenant}"), &operator)
        .await;
    let recorded = &trail.expect(200)["data"][1];
    assert_eq!(recorded["act"], "particulars.recorded");
    assert!(
        !recorded.to_string().contains("太郎"),
        "the trail proves them and does not repeat them"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_association_is_notified_with_its_members_and_a_business_has_none() {
    let world = World::new().await;
    let operator = world.house.operator_token();
    let body = json!({ "name": "割勘士会連合会", "kind": "association" });
    let reply = world
        .app
        .post("/v1/operator/tenants", &operator, &body)
        .await;
    let association = reply.expect(201)["id"].as_str().unwrap().to_owned();
    let checklist = format!("/v1/operator/tenants/{association}/checklist");
    for item in [
        "delegation_contract",
        "disqualification_check",
        "filing",
        "agreement",
    ] {
        let body = json!({ "item": item, "evidence": "doc" });
        world
            .app
            .post(&checklist, &operator, &body)
            .await
            .expect(200);
    }
    world
        .to(&operator, &association, "contracted")
        .await
        .expect(200);
    let refused = world.to(&operator, &association, "notified").await;
    let detail = refused.expect_problem(409, "conflict")["detail"].to_string();
    assert!(detail.contains("members"), "{detail}");
    let draft = format!("/v1/operator/tenants/{association}/filing");
    let reply = world.app.get(&draft, &operator).await;
    assert_eq!(
        reply.expect(200)["missing"],
        json!(["filer", "particulars"])
    );

    let mut known = particulars();
    let wrong = put(&world, &operator, &association, &known).await;
    assert_eq!(
        wrong.expect_problem(400, "invalid_request")["errors"][0]["pointer"],
        "/association_basis"
    );
    known["association_basis"] = json!("割勘士法第1条に基づき設立された法人");
    let wrong = put(&world, &operator, &association, &known).await;
    assert_eq!(
        wrong.expect_problem(400, "invalid_request")["errors"][0]["pointer"],
        "/members"
    );
    known["members"] = json!([{ "name": "東京割勘士会", "address": "東京都千代田区", "number": "13" }, { "name": "大阪割勘士会" }]);
    put(&world, &operator, &association, &known)
        .await
        .expect(200);
    let reply = world.app.get(&draft, &operator).await;
    let drafted = reply.expect(200);
    assert_eq!(drafted["title"], "団体署名検証者の届出（案）");
    assert!(drafted["legal_basis"].as_str().unwrap().contains("第5項"));
    assert_eq!(drafted["particulars"]["members"], known["members"]);
    let request = world
        .app
        .request(Method::GET, &draft)
        .bearer_auth(&operator);
    let html = App::read(request.header(ACCEPT, "text/html, */*;q=0.1"))
        .await
        .body;
    let html = String::from_utf8(html).unwrap();
    assert!(
        html.contains("構成員（2）")
            && html.contains("大阪割勘士会")
            && html.contains("不足：届出者の情報")
    );
    for state in ["notified", "active"] {
        world.to(&operator, &association, state).await.expect(200);
    }

    let business = world.tenant(&operator).await;
    let wrong = put(&world, &operator, &business, &known).await;
    assert_eq!(
        wrong.expect_problem(400, "invalid_request")["errors"][0]["pointer"],
        "/members"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn particulars_are_strict_and_stay_when_a_tenant_is_closed() {
    let world = World::new().await;
    let operator = world.house.operator_token();
    let tenant = world.tenant(&operator).await;
    let with = |member: &str, value: Value| {
        let mut body = particulars();
        body[member] = value;
        body
    };
    for (body, pointer) in [
        (with("address", json!("")), "/address"),
        (with("representative", json!("a\nb")), "/representative"),
        (
            with("corporate_number", json!("7000012050003")),
            "/corporate_number",
        ),
        (
            with("corporate_number", json!("７０００012050002")),
            "/corporate_number",
        ),
        (with("purposes", json!([])), "/purposes"),
        (with("purposes", json!(["本人確認", ""])), "/purposes/1"),
        (with("president", json!("x")), "/president"),
    ] {
        let reply = put(&world, &operator, &tenant, &body).await;
        let problem = reply.expect_problem(400, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer);
    }
    put(&world, &operator, &tenant, &particulars())
        .await
        .expect(200);
    world.to(&operator, &tenant, "closed").await.expect(200);
    let late = put(&world, &operator, &tenant, &with("contact", json!("x"))).await;
    late.expect_problem(409, "conflict");
    let path = format!("/v1/operator/tenants/{tenant}");
    let reply = world.app.get(&path, &operator).await;
    assert_eq!(reply.expect(200)["particulars"], particulars());
}

/// Each item with its evidence, its date and who recorded it; a correction replaces it, and the trail has both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_item_of_the_checklist_says_who_recorded_it() {
    let world = World::new().await;
    let first = world.first_credential();
    let reply = world
        .token(&first["client_id"], &first["client_secret"], &[])
        .await;
    let token = reply.expect(200)["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let tenant = world.tenant(&token).await;
    let path = format!("/v1/operator/tenants/{tenant}/checklist");
    for evidence in ["契約-1", "契約-2"] {
        let body =
            json!({ "item": "delegation_contract", "evidence": evidence, "date": "2026-11-02" });
        world.app.post(&path, &token, &body).await.expect(200);
    }
    let reply = world
        .app
        .get(&format!("/v1/operator/tenants/{tenant}"), &token)
        .await;
    let item = &reply.expect(200)["checklist"][0];
    assert_eq!(
        (&item["evidence"], &item["date"]),
        (&json!("契約-2"), &json!("2026-11-02"))
    );
    assert_eq!(item["recorded_by"], first["client_id"]);
    let trail = world
        .app
        .get(&format!("/v1/operator/audit?of={tenant}"), &token)
        .await;
    let told: Vec<&Value> = trail.expect(200)["data"].as_array().unwrap()[1..]
        .iter()
        .map(|one| &one["details"]["evidence"])
        .collect();
    assert_eq!(told, ["契約-1", "契約-2"]);
}

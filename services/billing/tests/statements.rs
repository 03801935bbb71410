//! J-LIS's statement beside what was counted: line by line, what differs and by how much.

#![allow(
    clippy::unwrap_used,
    reason = "the lint knows test functions, not what they share"
)]

mod common;

use common::{Scene, config};
use serde_json::{Value, json};
use warikan_contracts::facts::{Channel, StatusChecked, VerificationCompleted};
use warikan_testkit::{App, Reply};
use warikan_types::{Reason, Verdict};

const CONFIG: &str = "[[tariff.jlis_fees]]\nvalid_from = \"2026-01-01\"\nchannel = \"ocsp\"\nkinds = [\"card_signature\"]\n\
     purposes = [\"signature_verification\"]\nunit_price = 20\n\
     [jlis_statement]\nchannel = \"提供方法\"\nkind = \"証明書\"\npurpose = \"目的\"\ncount = \"件数\"\namount = \"手数料\"\n\
     [jlis_statement.words]\n\"オンライン\" = \"ocsp\"\n\"ファイル\" = \"crl\"\n\"署名用\" = \"card_signature\"\n\
     \"署名検証\" = \"signature_verification\"\n\"現況確認\" = \"status_check\"\n";

async fn bring(scene: &Scene, statement: &str, accept: &str, media_type: &str) -> Reply {
    let path = "/v1/operator/months/2026-11/jlis-statement";
    let request = scene.app.request(reqwest::Method::POST, path);
    let request = request
        .bearer_auth(scene.house.operator_token())
        .header("Accept", accept)
        .header("Content-Type", media_type)
        .body(statement.to_owned());
    App::read(request).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn differences_are_listed_for_each_channel_kind_and_purpose() {
    let scene = Scene::with(config(CONFIG)).await;
    let tenants = [
        scene.tenant("青空証券株式会社", "standard").await,
        scene.tenant("みどり銀行", "standard").await,
    ];
    let time = "2026-11-21T00:00:00Z";
    for tenant in tenants {
        for fact in [
            scene.verification(time),
            // J-LIS is asked for this one too, and the tenant is not billed for it.
            scene.judged(time, Verdict::Invalid, Some(Reason::SignatureMismatch)),
        ] {
            let live = VerificationCompleted {
                channel: Some(Channel::Ocsp),
                ..fact
            };
            scene.tell(tenant, &live).await;
        }
        scene.tell(tenant, &scene.verification(time)).await;
        let live = StatusChecked {
            channel: Channel::Ocsp,
            ..scene.checks("2026-11", &[scene.handle()])
        };
        scene.tell(tenant, &live).await;
    }
    let statement = "\u{feff}提供方法,証明書,目的,件数,手数料\r\nオンライン,署名用,署名検証,\"1,003\",80\r\n\
                     オンライン,署名用,署名検証,2,20\r\nファイル,署名用,署名検証,2,0\r\nファイル,署名用,現況確認,1,0\r\n";
    let reply = bring(&scene, statement, "*/*", "text/csv; charset=utf-8").await;
    let line = |channel,
                purpose,
                stated: (i64, i64),
                ours: (i64, i64),
                amount: Value,
                why: Value| {
        let difference = amount.as_i64().map(|amount| stated.1 - amount);
        json!({"channel": channel, "kind": "card_signature", "purpose": purpose,
            "stated_count": stated.0, "stated_amount": stated.1, "counted": ours.0, "billed": ours.1,
            "reckoned_amount": amount, "count_difference": stated.0 - ours.0, "amount_difference": difference,
            "unpriced": why})
    };
    let missing = "no tariff row for J-LIS fee ocsp/card_signature/status_check holds on 2026-11-21; \
                   enter one in the configuration `billing.tariff`";
    assert_eq!(
        *reply.expect(200),
        json!({"period": "2026-11", "differing": 3, "lines": [
            line("crl", "signature_verification", (2, 0), (2, 2), json!(0), Value::Null),
            line("crl", "status_check", (1, 0), (0, 0), json!(0), Value::Null),
            line("ocsp", "signature_verification", (1_005, 100), (4, 2), json!(80), Value::Null),
            line("ocsp", "status_check", (0, 0), (2, 2), Value::Null, json!(missing)),
        ]})
    );
    let table = bring(&scene, statement, "text/csv", "text/csv").await;
    assert_eq!(table.status, 200);
    let table = String::from_utf8(table.body).unwrap();
    let rows: Vec<&str> = table.split_terminator("\r\n").collect();
    assert_eq!(rows.len(), 5);
    assert_eq!(
        rows[3],
        "\"2026-11\",\"ocsp\",\"card_signature\",\"signature_verification\",\"1005\",\"4\",\"1001\",\"100\",\"80\",\"20\",\"2\",\"\""
    );
    assert!(rows[4].contains("\"-2\""), "{}", rows[4]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_cannot_be_read_is_refused_with_row_and_column() {
    let scene = Scene::new().await;
    let head = "channel,kind,purpose,count,amount\n";
    let row = format!("{head}crl,card_signature,=cmd|'/c calc'!A1,1,0\n");
    let refused = bring(&scene, &row, "*/*", "text/csv").await;
    let problem = refused.expect_problem(400, "invalid_request");
    assert_eq!(problem["errors"][0]["pointer"], "/1/purpose");
    assert!(
        !problem.to_string().contains("calc"),
        "what stood there is not repeated: {problem}"
    );
    let text = bring(&scene, head, "*/*", "text/plain").await;
    text.expect_problem(415, "unsupported_media_type");
    let large = "x".repeat(300 * 1024);
    let large = bring(&scene, &large, "*/*", "text/csv").await;
    large.expect_problem(413, "body_too_large");
    let empty = bring(&scene, head, "*/*", "text/csv").await;
    assert_eq!(
        *empty.expect(200),
        json!({"period": "2026-11", "differing": 0, "lines": []})
    );
}

//! `warikan audit verify` as an operator or an auditor runs it: beside the server, and over what was exported and kept.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use std::path::Path;

use sea_orm::{ConnectionTrait, Database};
use support::{Installation, run, text};

fn verify(arguments: &[&str]) -> (bool, String) {
    let mut all = vec!["audit", "verify"];
    all.extend(arguments);
    let output = run(&all, &[]);
    let (said, error) = text(&output);
    (output.status.success(), said + &error)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_trail_is_judged_where_it_lies_and_as_it_was_exported() {
    let here = Installation::new();
    let server = here.serve().await;
    let operator = server.operator().await;
    let tenant = operator.take_on("割勘証券株式会社").await;
    operator.activate(&tenant).await;
    let kept = |name: &str, octets: &[u8]| {
        let path = here.beside(name);
        std::fs::write(&path, octets).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let heads = operator.get("/v1/operator/audit/heads").await;
    let heads = kept("heads.json", &heads.body);
    let keys = operator.get("/.well-known/jwks.json").await;
    let keys = kept("jwks.json", &keys.body);
    let export = operator
        .get(&format!("/v1/operator/audit/export?of={tenant}"))
        .await;
    let whole = kept("audit.ndjson", &export.body);
    let changed = String::from_utf8(export.body)
        .unwrap()
        .replace("記録.pdf", "別の記録.pdf");
    let changed = kept("changed.ndjson", changed.as_bytes());
    let data = here.data_text();

    let (good, said) = verify(&["--data-dir", &data]);
    assert!(
        good && said.contains("chains: as they were written"),
        "{said}"
    );
    let (good, said) = verify(&["--data-dir", &data, "--heads", &heads]);
    assert!(good, "beside the running server, with heads: {said}");
    let (good, said) = verify(&["--export", &whole, "--keys", &keys]);
    assert!(good && said.contains("8 records in 1 chains"), "{said}");
    let (good, said) = verify(&["--export", &changed, "--keys", &keys]);
    assert!(
        !good && said.contains("was changed") && said.contains("4 findings"),
        "{said}"
    );
    let (good, said) = verify(&["--export", &whole]);
    assert!(!good && said.contains("--keys"), "{said}");
    server.stop().await;

    let file = here.data().join("onboarding.sqlite");
    spoil(&file, &tenant).await;
    let (good, said) = verify(&["--data-dir", &data]);
    assert!(
        !good && said.contains(&format!("{tenant}: records 8 to 8 are cut off")),
        "{said}"
    );
    let nowhere = here.beside("nowhere");
    let (good, said) = verify(&["--data-dir", nowhere.to_str().unwrap()]);
    assert!(!good && said.contains("warikan:"), "{said}");
}

/// As whoever has the file: the last record is gone.
async fn spoil(file: &Path, tenant: &str) {
    let db = Database::connect(format!("sqlite://{}", file.display()))
        .await
        .unwrap();
    for sql in [
        "DROP TRIGGER audit_record_no_delete".to_owned(),
        format!("DELETE FROM audit_record WHERE chain = '{tenant}' AND sequence = 8"),
    ] {
        db.execute_unprepared(&sql).await.unwrap();
    }
    db.close().await.unwrap();
}

//! A lost secret is replaced in the database, whichever that is.

use serde_json::{Value, json};
use warikan_onboarding::{Lost, RecoverError, Recovered, recover_operator, verify_stored};
use warikan_testkit::TestHouse;

use crate::world::World;

async fn recover(house: &TestHouse, lost: Lost) -> Result<Recovered, RecoverError> {
    let db = house.platform.databases.existing("onboarding").await;
    recover_operator(&db.unwrap().unwrap(), &house.platform, &lost).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_secret_is_replaced_and_denied_in_one_transaction_with_its_records() {
    let world = World::new().await;
    let first = world.first_credential();
    let sign_in = async |id: &Value, secret: &Value| world.token(id, secret, &[]).await.status;
    assert_eq!(
        sign_in(&first["client_id"], &first["client_secret"]).await,
        200
    );
    let made = recover(&world.house, Lost::TheOnly).await.unwrap();
    assert_eq!(json!(made.replaces), json!([first["client_id"]]));
    assert_eq!(
        sign_in(&first["client_id"], &first["client_secret"]).await,
        401
    );
    let secret = json!(made.secret.expose());
    assert_eq!(sign_in(&json!(made.client), &secret).await, 200);
    assert_eq!(
        world.denied().await,
        [first["client_id"].clone()],
        "its tokens, too"
    );

    // What was disabled before is no account to be lost, unless it is named.
    let again = recover(&world.house, Lost::TheOnly).await.unwrap();
    assert_eq!(again.replaces, [made.client]);
    let nobody = recover(
        &world.house,
        Lost::Account("cli_00000000000000000000000000000000".parse().unwrap()),
    )
    .await;
    assert!(matches!(nobody, Err(RecoverError::NoSuchAccount(_))));
    let named = recover(&world.house, Lost::Account(made.client))
        .await
        .unwrap();
    assert_eq!(named.replaces, [made.client]);
    let several = recover(&world.house, Lost::TheOnly).await;
    assert!(matches!(several, Err(RecoverError::Several(2, _))));
    let last = recover(&world.house, Lost::All).await.unwrap();
    assert_eq!(last.replaces.len(), 2);

    let operator = world.house.operator_token();
    let trail = world
        .app
        .get("/v1/operator/audit?of=operator&limit=100", &operator)
        .await;
    let acts: Vec<&Value> = trail.expect(200)["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["act"])
        .collect();
    let count = |act: &str| acts.iter().filter(|one| **one == act).count();
    assert_eq!(
        (count("account.recovered"), count("account.disabled")),
        (4, 4),
        "{acts:?}"
    );
    let db = world.house.platform.databases.existing("onboarding").await;
    let keys = serde_json::to_vec(&world.house.platform.keys.jwks()).unwrap();
    let verified = verify_stored(&db.unwrap().unwrap(), &keys, None)
        .await
        .unwrap();
    assert!(verified.findings.is_empty());
}

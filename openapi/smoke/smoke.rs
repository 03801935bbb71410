//! F100: what the quick start does, by the generated client: a token, a tenant, a citizen who signs, the verification, a campaign.

use std::{
    env::var,
    error::Error,
    thread::sleep,
    time::{Duration, Instant},
};

use warikan_client::{
    apis::{
        self, access_api::grant_token, campaigns_api, configuration::Configuration, operator_api,
        sandbox_api, verification_api, watches_api::list_watches,
    },
    models::{
        Application, CampaignSelector, Environment, NewCampaign, NewCredential, NewPerson,
        SelectorKind, SelectorWord, ToSign, Verdict, VerificationRequest,
    },
};

fn client(token: Option<String>) -> Result<Configuration, Box<dyn Error>> {
    Ok(Configuration {
        base_path: var("WARIKAN_URL")?,
        oauth_access_token: token,
        ..Configuration::default()
    })
}

async fn signed_in(id: &str, secret: &str) -> Result<Configuration, Box<dyn Error>> {
    let answer = grant_token(
        &client(None)?,
        "client_credentials",
        None,
        None,
        Some(id),
        Some(secret),
        None,
    )
    .await?;
    client(Some(answer.access_token))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let operator = signed_in(&var("CLIENT_ID")?, &var("CLIENT_SECRET")?).await?;
    let application = Application::new("割勘証券株式会社".to_owned());
    let tenant = operator_api::create_tenant(&operator, application, None).await?;
    let wanted = NewCredential::new(Environment::Sandbox);
    let made = operator_api::create_credential(&operator, &tenant.id, wanted, None).await?;
    let secret = made.client_secret.flatten().ok_or("no secret")?;
    let own = signed_in(&made.client_id, &secret).await?;

    // Where a body may be left out, this client writes `null` for `None`, which is no object: an empty one is given.
    let person = sandbox_api::create_person(&own, None, Some(NewPerson::new())).await?;
    let mut what = ToSign::new();
    what.message = Some(Some("aGVsbG8=".to_owned()));
    let signature = sandbox_api::sign(&own, &person.id, Some(what)).await?;
    let mut request: VerificationRequest =
        serde_json::from_value(serde_json::to_value(signature)?)?;
    request.watch = Some(true);
    let verified = verification_api::create_verification(&own, request, Some("smoke")).await?;
    assert_eq!(verified.verdict, Verdict::Valid);
    assert!(
        verified
            .attributes
            .flatten()
            .and_then(|all| all.name.flatten())
            .is_some()
    );
    let read = verification_api::read_verification(&own, &verified.id).await?;
    assert_eq!(read.verdict, Verdict::Valid);
    let page = verification_api::list_verifications(&own, Some(5), None).await?;
    assert_eq!(page.data[0].id, verified.id);
    // The watch begins after the answer.
    let until = Instant::now() + Duration::from_secs(60);
    while list_watches(&own, None, None, None).await?.data.is_empty() {
        assert!(Instant::now() < until, "nothing is watched");
        sleep(Duration::from_millis(200));
    }

    let order = NewCampaign::new(CampaignSelector::SelectorWord(SelectorWord::All));
    let ordered = campaigns_api::create_campaign(&own, order, None).await?;
    let shown = campaigns_api::show_campaign(&own, &ordered.id).await?;
    assert_eq!(shown.selector, SelectorKind::All);

    let nobodys = format!("ver_{}", "0".repeat(32));
    match verification_api::read_verification(&own, &nobodys).await {
        Err(apis::Error::ResponseError(refused)) if refused.status == 404 => {
            let problem: serde_json::Value = serde_json::from_str(&refused.content)?;
            assert_eq!(problem["code"], "not_found");
        }
        other => panic!("{other:?}"),
    }
    println!("the Rust client verifies a signature");
    Ok(())
}

//! `private_key_jwt`: what proves a client, and what does not.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use warikan_testkit::{App, Reply};

use crate::world::World;

const NOBODY: &str = "cli_00000000000000000000000000000000";
const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client's key pair and how it is registered.
struct Pair {
    algorithm: Algorithm,
    encoding: EncodingKey,
    jwk: Value,
}

impl Pair {
    fn ed25519(seed: u8, kid: &str) -> Self {
        use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let x = B64.encode(pair.public_key().as_ref());
        Self {
            algorithm: Algorithm::EdDSA,
            encoding: EncodingKey::from_ed_der(pair.to_pkcs8().unwrap().as_ref()),
            jwk: json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid }),
        }
    }

    fn p256(kid: &str) -> Self {
        use aws_lc_rs::{
            rand::SystemRandom,
            signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
        };
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let der = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, der.as_ref()).unwrap();
        let point = pair.public_key().as_ref();
        let (x, y) = (B64.encode(&point[1..33]), B64.encode(&point[33..]));
        Self {
            algorithm: Algorithm::ES256,
            encoding: EncodingKey::from_ec_der(der.as_ref()),
            jwk: json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": kid }),
        }
    }

    fn rsa(kid: &str, size: aws_lc_rs::rsa::KeySize, algorithm: Algorithm) -> Self {
        use aws_lc_rs::{
            encoding::AsDer,
            rsa::KeyPair as RsaKeyPair,
            signature::{KeyPair, RsaPublicKeyComponents},
        };
        let pair = RsaKeyPair::generate(size).unwrap();
        let parts: RsaPublicKeyComponents<Vec<u8>> = pair.public_key().into();
        let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let (n, e) = (B64.encode(parts.n), B64.encode(parts.e));
        Self {
            algorithm,
            // What RFC 5208 wraps in RFC 8017's form: 26 octets for these sizes.
            encoding: EncodingKey::from_rsa_der(&der.as_ref()[26..]),
            jwk: json!({ "kty": "RSA", "n": n, "e": e, "kid": kid }),
        }
    }

    fn header(&self) -> Header {
        let mut header = Header::new(self.algorithm);
        header.kid = self.jwk["kid"].as_str().map(str::to_owned);
        header
    }

    fn sign(&self, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, &self.encoding).unwrap()
    }
}

/// A client that is registered with keys alone.
struct Client {
    id: String,
    operator: String,
    path: String,
}

async fn client(world: &World, keys: &[&Pair]) -> Client {
    let operator = world.house.operator_token();
    let tenant = world.tenant(&operator).await;
    let path = format!("/v1/operator/tenants/{tenant}/credentials");
    let keys: Vec<&Value> = keys.iter().map(|pair| &pair.jwk).collect();
    let new = json!({ "environment": "sandbox", "public_keys": { "keys": keys } });
    let reply = world.app.post(&path, &operator, &new).await;
    let made = reply.expect(201);
    assert!(made.get("client_secret").is_none(), "none was asked for");
    assert_eq!(made["methods"], json!(["private_key_jwt"]));
    Client {
        id: made["client_id"].as_str().unwrap().to_owned(),
        operator,
        path,
    }
}

fn claims(world: &World, client: &str, app: &App, jti: &str) -> Value {
    let now = world.house.clock().now().unix();
    json!({ "iss": client, "sub": client, "aud": format!("{}/oauth/token", app.base), "iat": now, "exp": now + 60, "jti": jti })
}

async fn show(app: &App, assertion: &str, more: &str) -> Reply {
    let body = format!(
        "grant_type=client_credentials&client_assertion_type={TYPE}&client_assertion={assertion}{more}"
    );
    let request = app
        .request(reqwest::Method::POST, "/oauth/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    App::read(request).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_proves_itself_by_each_kind_of_key_and_changes_keys_over() {
    use aws_lc_rs::rsa::KeySize;
    let world = World::new().await;
    let pairs = [
        Pair::ed25519(1, "ed"),
        Pair::p256("ec"),
        Pair::rsa("rs", KeySize::Rsa2048, Algorithm::RS256),
        Pair::rsa("ps", KeySize::Rsa2048, Algorithm::PS256),
    ];
    let known = client(&world, &pairs.iter().collect::<Vec<_>>()).await;
    for (index, pair) in pairs.iter().enumerate() {
        let claims = claims(&world, &known.id, &world.app, &format!("j{index}"));
        let reply = show(&world.app, &pair.sign(&pair.header(), &claims), "").await;
        assert_eq!(reply.expect(200)["token_type"], "Bearer", "{index}");
    }
    // The issuer is an audience too, alone or in a list, and the client id may stand beside the assertion.
    let pair = &pairs[0];
    for (jti, aud) in [("a", json!(world.app.base)), ("b", json!([world.app.base]))] {
        let mut claims = claims(&world, &known.id, &world.app, jti);
        claims["aud"] = aud;
        let more = format!("&client_id={}&scope=events", known.id);
        let reply = show(&world.app, &pair.sign(&pair.header(), &claims), &more).await;
        assert_eq!(reply.expect(200)["scope"], "events");
    }
    let metadata = world.app.request(
        reqwest::Method::GET,
        "/.well-known/oauth-authorization-server",
    );
    let metadata = App::read(metadata).await;
    let methods = &metadata.expect(200)["token_endpoint_auth_methods_supported"];
    assert!(
        methods
            .as_array()
            .unwrap()
            .contains(&json!("private_key_jwt"))
    );

    let next = Pair::ed25519(9, "next");
    let one = format!("{}/{}", known.path, known.id);
    let change = json!({ "public_keys": { "keys": [next.jwk] } });
    let request = world.app.request(reqwest::Method::PATCH, &one);
    let changed = App::read(request.bearer_auth(&known.operator).json(&change)).await;
    changed.expect(200);
    let later = claims(&world, &known.id, &world.app, "later");
    let old = show(&world.app, &pair.sign(&pair.header(), &later), "").await;
    old.expect_problem(401, "invalid_client");
    let new = show(&world.app, &next.sign(&next.header(), &later), "").await;
    new.expect(200);
    let by_secret = world.token(&json!(known.id), &json!("wks_none"), &[]).await;
    by_secret.expect_problem(401, "invalid_client");
}

/// A refusal without what differs from one request to the next.
fn uniform(reply: &Reply) -> Value {
    let mut problem = reply.expect_problem(401, "invalid_client").clone();
    problem["request_id"] = Value::Null;
    problem
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f016_an_assertion_is_good_once_on_all_replicas_and_for_its_minutes_alone() {
    let world = World::new().await;
    let pair = Pair::ed25519(1, "ed");
    let known = client(&world, &[&pair]).await;
    // A second process over the same database, as a replica is, called by the same name.
    let replica = world.replica().await;
    let good = claims(&world, &known.id, &world.app, "once");
    let assertion = pair.sign(&pair.header(), &good);
    show(&world.app, &assertion, "").await.expect(200);
    let told = uniform(&show(&world.app, &assertion, "").await);
    assert_eq!(uniform(&show(&replica, &assertion, "").await), told);
    let rotated = pair.sign(&pair.header(), &{
        let mut again = good.clone();
        again["iat"] = json!(good["iat"].as_i64().unwrap() - 1);
        again
    });
    let same_jti = show(&world.app, &rotated, "").await;
    assert_eq!(uniform(&same_jti), told, "another text, the same jti");

    // What is over is forgotten, and refused for its age.
    world
        .house
        .clock()
        .advance(std::time::Duration::from_secs(3600))
        .unwrap();
    world.app.run("onboarding.assertions").await;
    assert_eq!(uniform(&show(&world.app, &assertion, "").await), told);
}

/// What is wrong with an assertion, and the assertion.
type Wrong = Vec<(&'static str, String)>;

fn wrong_claims(world: &World, known: &Client, pair: &Pair) -> Wrong {
    let now = world.house.clock().now().unix();
    let with = |member: &str, value: Value| {
        let mut claims = claims(world, &known.id, &world.app, member);
        claims[member] = value;
        pair.sign(&pair.header(), &claims)
    };
    let without = |member: &str| {
        let mut claims = claims(world, &known.id, &world.app, member);
        claims.as_object_mut().unwrap().remove(member);
        pair.sign(&pair.header(), &claims)
    };
    let elsewhere = "https://other.example/oauth/token";
    vec![
        ("another server's", with("aud", json!(elsewhere))),
        (
            "also another's",
            with("aud", json!([world.app.base, elsewhere])),
        ),
        ("nobody's", with("aud", json!([]))),
        ("an hour old", with("iat", json!(now - 3600))),
        ("from the future", with("iat", json!(now + 120))),
        ("not yet", with("nbf", json!(now + 120))),
        ("over", with("exp", json!(now - 31))),
        ("for hours", with("exp", json!(now + 3600))),
        ("another's iss", with("iss", json!(NOBODY))),
        ("nobody's sub", with("sub", json!(NOBODY))),
        ("an empty jti", with("jti", json!(""))),
        ("a long jti", with("jti", json!("j".repeat(201)))),
        ("no exp", without("exp")),
        ("no iat", without("iat")),
        ("no jti", without("jti")),
        ("no aud", without("aud")),
    ]
}

fn wrong_signatures(world: &World, known: &Client, pair: &Pair) -> Wrong {
    let stranger = Pair::ed25519(2, "ed");
    let claims = claims(world, &known.id, &world.app, "signed");
    let by_header = |change: fn(&mut Header)| {
        let mut header = pair.header();
        change(&mut header);
        pair.sign(&header, &claims)
    };
    let public = pair.jwk["x"].as_str().unwrap().as_bytes();
    let hs = Header::new(Algorithm::HS256);
    let hs = jsonwebtoken::encode(&hs, &claims, &EncodingKey::from_secret(public)).unwrap();
    vec![
        ("another's key", stranger.sign(&stranger.header(), &claims)),
        (
            "an unknown kid",
            by_header(|header| header.kid = Some("x".to_owned())),
        ),
        (
            "a jku",
            by_header(|header| header.jku = Some("http://127.0.0.1:9/".to_owned())),
        ),
        (
            "critical",
            by_header(|header| header.crit = Some(vec!["exp".to_owned()])),
        ),
        (
            "an access token",
            by_header(|header| header.typ = Some("at+jwt".to_owned())),
        ),
        ("a secret", hs),
        ("no JWT", "x.y.z".to_owned()),
        ("much", "a".repeat(5000)),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f013_f016_an_assertion_that_is_not_exactly_right_is_refused_like_any_other() {
    let world = World::new().await;
    let pair = Pair::ed25519(1, "ed");
    let known = client(&world, &[&pair]).await;
    let told = uniform(&show(&world.app, "x", "").await);
    let mut wrong = wrong_claims(&world, &known, &pair);
    wrong.extend(wrong_signatures(&world, &known, &pair));
    for (what, assertion) in wrong {
        let reply = show(&world.app, &assertion, "").await;
        assert_eq!(uniform(&reply), told, "{what}");
    }
    let mine = pair.sign(&pair.header(), &claims(&world, &known.id, &world.app, "o"));
    let other_id = show(&world.app, &mine, &format!("&client_id={NOBODY}")).await;
    assert_eq!(uniform(&other_id), told);
    // The same without the flaw.
    show(&world.app, &mine, "").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f013_keys_that_prove_nothing_are_not_registered() {
    use aws_lc_rs::rsa::KeySize;
    let world = World::new().await;
    let good = Pair::ed25519(1, "ed");
    let known = client(&world, &[&good]).await;
    let rsa = Pair::rsa("rs", KeySize::Rsa2048, Algorithm::RS256);
    let with = |pair: &Pair, member: &str, value: &str| {
        let mut jwk = pair.jwk.clone();
        jwk[member] = json!(value);
        json!([jwk])
    };
    let even = B64.encode([0x80; 256]);
    let small = B64.encode([0xff; 128]);
    let cases = [
        json!([]),
        json!([good.jwk, good.jwk]),
        json!([{ "kty": "oct", "k": "c2VjcmV0" }]),
        json!([{ "kty": "OKP", "crv": "Ed25519", "x": "AAAA" }]),
        json!([{ "kty": "EC", "crv": "P-256", "x": B64.encode([1; 32]), "y": B64.encode([1; 32]) }]),
        with(&good, "d", "cHJpdmF0ZQ"),
        with(&good, "use", "enc"),
        with(&good, "alg", "ES256"),
        with(&good, "crv", "Ed448"),
        with(&rsa, "alg", "none"),
        with(&rsa, "alg", "RS1"),
        with(&rsa, "n", &even),
        with(&rsa, "n", &small),
        with(&rsa, "e", "Aw"),
        with(&rsa, "p", "AQAB"),
    ];
    for keys in cases {
        let new = json!({ "environment": "sandbox", "public_keys": { "keys": keys } });
        let reply = world.app.post(&known.path, &known.operator, &new).await;
        let problem = reply.expect_problem(400, "invalid_request");
        let pointer = problem["errors"][0]["pointer"].as_str().unwrap();
        assert!(
            pointer.starts_with("/public_keys/keys"),
            "{keys}: {pointer}"
        );
    }
    let nothing = json!({ "environment": "sandbox", "secret": false });
    let reply = world.app.post(&known.path, &known.operator, &nothing).await;
    reply.expect_problem(400, "invalid_request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f016_a_foreign_host_header_does_not_decide_who_we_are() {
    let world = World::new().await;
    let pair = Pair::ed25519(1, "ed");
    let known = client(&world, &[&pair]).await;
    let mut claims = claims(&world, &known.id, &world.app, "evil");
    claims["aud"] = json!("http://evil.example/oauth/token");
    let assertion = pair.sign(&pair.header(), &claims);
    let body = format!(
        "grant_type=client_credentials&client_assertion_type={TYPE}&client_assertion={assertion}"
    );
    let request = world
        .app
        .request(reqwest::Method::POST, "/oauth/token")
        .header("host", "evil.example")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    App::read(request)
        .await
        .expect_problem(401, "invalid_client");
    let named = world.named("https://api.example.jp/").await;
    claims["aud"] = json!("https://api.example.jp");
    show(&named, &pair.sign(&pair.header(), &claims), "")
        .await
        .expect(200);
    let metadata = named.request(
        reqwest::Method::GET,
        "/.well-known/oauth-authorization-server",
    );
    let metadata = App::read(metadata.header("host", "evil.example")).await;
    let metadata = metadata.expect(200);
    assert_eq!(metadata["issuer"], "https://api.example.jp");
    assert_eq!(
        metadata["token_endpoint"],
        "https://api.example.jp/oauth/token"
    );
}

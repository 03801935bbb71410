//! Forged access tokens (F013, F014): whatever is wrong with one, it is refused alike, and nothing is done.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use warikan_runtime::Keys;
use warikan_testkit::{App, Reply};
use warikan_types::Entropy;

use crate::world::World;

/// The platform's own key for tokens: what a thief of it could make is refused too where it is not exactly a token.
struct Signer(Ed25519KeyPair);

impl Signer {
    fn ours() -> Self {
        let file: Value =
            serde_json::from_str(&Keys::generate(&Entropy::seeded(0x5741_5249))).unwrap();
        let hex = file["token"].as_str().unwrap();
        let octets: Vec<u8> = (0..32)
            .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        Self(Ed25519KeyPair::from_seed_unchecked(&octets).unwrap())
    }

    fn strangers() -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap())
    }

    fn public(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    fn kid(&self) -> String {
        let digest = Sha256::digest(self.public());
        digest[..8]
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect()
    }

    fn sign(&self, header: &str, claims: &str) -> String {
        let text = format!("{}.{}", B64.encode(header), B64.encode(claims));
        let signature = B64.encode(self.0.sign(text.as_bytes()));
        format!("{text}.{signature}")
    }
}

struct Bench {
    world: World,
    header: Value,
    claims: Value,
    ours: Signer,
    forged: Vec<(String, String)>,
}

/// A table of forgeries around one good token.
impl Bench {
    async fn new() -> Self {
        let world = World::new().await;
        let good = world.house.operator_token();
        let part = |at: usize| -> Value {
            let text = good.split('.').nth(at).unwrap();
            serde_json::from_slice(&B64.decode(text).unwrap()).unwrap()
        };
        let (header, claims) = (part(0), part(1));
        let ours = Signer::ours();
        assert_eq!(header["kid"], ours.kid(), "the key is the platform's own");
        world
            .app
            .get("/v1/operator/tenants", &good)
            .await
            .expect(200);
        let resigned = ours.sign(&header.to_string(), &claims.to_string());
        world
            .app
            .get("/v1/operator/tenants", &resigned)
            .await
            .expect(200);
        Self {
            world,
            header,
            claims,
            ours,
            forged: Vec::new(),
        }
    }

    fn add(&mut self, what: impl Into<String>, token: String) {
        self.forged.push((what.into(), token));
    }

    /// Signed by the platform's key.
    fn with_header(&mut self, what: &str, change: impl FnOnce(&mut Value)) {
        let mut header = self.header.clone();
        change(&mut header);
        let token = self
            .ours
            .sign(&header.to_string(), &self.claims.to_string());
        self.add(format!("header: {what}"), token);
    }

    fn with_claims(&mut self, what: &str, change: impl FnOnce(&mut Value)) {
        let mut claims = self.claims.clone();
        change(&mut claims);
        let token = self
            .ours
            .sign(&self.header.to_string(), &claims.to_string());
        self.add(format!("claims: {what}"), token);
    }

    /// Texts that JSON allows and nobody writes.
    fn raw(&mut self, what: &str, header: Option<String>, claims: Option<String>) {
        let header = header.unwrap_or_else(|| self.header.to_string());
        let claims = claims.unwrap_or_else(|| self.claims.to_string());
        let token = self.ours.sign(&header, &claims);
        self.add(format!("text: {what}"), token);
    }
}

/// No signature, or one that another algorithm would call good (RFC 8725 2.1).
fn algorithms(bench: &mut Bench) {
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let mut header = bench.header.clone();
        header["alg"] = json!(alg);
        let text = format!(
            "{}.{}",
            B64.encode(header.to_string()),
            B64.encode(bench.claims.to_string())
        );
        bench.add(format!("alg {alg:?}, no signature"), format!("{text}."));
        bench.with_header(&format!("alg {alg:?}"), |header| header["alg"] = json!(alg));
    }
    let public = bench.ours.public().to_vec();
    let pem = {
        // SubjectPublicKeyInfo of RFC 8410 4.
        let mut der = vec![
            0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
        ];
        der.extend_from_slice(&public);
        der
    };
    let text = base64::engine::general_purpose::STANDARD.encode(&pem);
    let secrets: [(&str, Vec<u8>); 6] = [
        ("octets", public.clone()),
        ("base64url", B64.encode(&public).into_bytes()),
        ("DER", pem),
        ("base64 of DER", text.clone().into_bytes()),
        (
            "PEM",
            format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n").into_bytes(),
        ),
        (
            "PEM without its last newline",
            format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----").into_bytes(),
        ),
    ];
    for (alg, algorithm) in [
        ("HS256", jsonwebtoken::Algorithm::HS256),
        ("HS384", jsonwebtoken::Algorithm::HS384),
        ("HS512", jsonwebtoken::Algorithm::HS512),
    ] {
        for (form, secret) in &secrets {
            let mut header = jsonwebtoken::Header::new(algorithm);
            header.typ = Some("at+jwt".to_owned());
            header.kid = Some(bench.ours.kid());
            let key = jsonwebtoken::EncodingKey::from_secret(secret);
            let token = jsonwebtoken::encode(&header, &bench.claims, &key).unwrap();
            bench.add(format!("{alg} with the public key as {form}"), token);
        }
    }
    for alg in [
        "RS256", "PS256", "ES256", "ES384", "Ed448", "EdDSA ", "eddsa", "HS256",
    ] {
        bench.with_header(&format!("alg {alg}"), |header| header["alg"] = json!(alg));
    }
    bench.with_header("no alg", |header| {
        drop(header.as_object_mut().unwrap().remove("alg"))
    });
    bench.with_header("alg is a list", |header| header["alg"] = json!(["EdDSA"]));
}

/// Keys that a header brings along or points at (RFC 8725 3.10).
fn keys(bench: &mut Bench) {
    let stranger = Signer::strangers();
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": B64.encode(stranger.public()), "kid": stranger.kid() });
    let claims = bench.claims.to_string();
    let mut by_stranger = |what: &str, member: Option<(&str, Value)>, kid: Value| {
        let mut header = bench.header.clone();
        header["kid"] = kid;
        if let Some((name, value)) = member {
            header[name] = value;
        }
        let token = stranger.sign(&header.to_string(), &claims);
        bench
            .forged
            .push((format!("a stranger's key, {what}"), token));
    };
    let ours = json!(Signer::ours().kid());
    by_stranger("our kid", None, ours.clone());
    by_stranger("its own kid", None, json!(stranger.kid()));
    for kid in [&ours, &json!(stranger.kid())] {
        by_stranger("jwk", Some(("jwk", jwk.clone())), kid.clone());
        by_stranger(
            "jku",
            Some(("jku", json!("http://127.0.0.1:9/jwks.json"))),
            kid.clone(),
        );
        by_stranger(
            "x5u",
            Some(("x5u", json!("http://127.0.0.1:9/cert.pem"))),
            kid.clone(),
        );
        by_stranger("x5c", Some(("x5c", json!(["MIIB"]))), kid.clone());
    }
    for (name, value) in [
        ("jwk", jwk),
        ("jku", json!("http://127.0.0.1:9/jwks.json")),
        ("x5u", json!("http://127.0.0.1:9/cert.pem")),
        ("x5c", json!(["MIIB"])),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("unheard", json!("of")),
    ] {
        bench.with_header(name, |header| header[name] = value);
    }
    for kid in [
        json!("../../../../dev/null"),
        json!("' OR '1'='1"),
        json!("x' UNION SELECT 'AAAA"),
        json!(format!("{}\u{0}", Signer::ours().kid())),
        json!(Signer::ours().kid().to_uppercase()),
        json!(""),
        json!(null),
        json!(1),
        json!([Signer::ours().kid()]),
    ] {
        bench.with_header(&format!("kid {kid}"), |header| header["kid"] = kid);
    }
    bench.with_header("no kid", |header| {
        drop(header.as_object_mut().unwrap().remove("kid"))
    });
    for typ in [
        "JWT",
        "jwt",
        "id+jwt",
        "warikan-receipt+jwt",
        "warikan-internal+jwt",
        "warikan-audit-head+jwt",
        "AT+JWT",
        "",
    ] {
        bench.with_header(&format!("typ {typ:?}"), |header| header["typ"] = json!(typ));
    }
    bench.with_header("no typ", |header| {
        drop(header.as_object_mut().unwrap().remove("typ"))
    });
}

/// What the platform's own key could have signed and never did.
fn claims(bench: &mut Bench) {
    let now = bench.claims["iat"].as_i64().unwrap();
    for (member, value) in [
        ("iss", json!("https://staging.example.jp")),
        ("iss", json!(["warikan"])),
        ("aud", json!("another-api")),
        ("aud", json!([])),
        ("exp", json!(now - 31)),
        ("exp", json!("9999999999")),
        ("exp", json!(-1)),
        ("iat", json!(now + 31)),
        ("iat", json!(null)),
        ("sub", json!("operator")),
        ("sub", json!("ten_00000000000000000000000000000000")),
        ("scope", json!("operator root")),
        ("scope", json!(["operator"])),
        ("tenant", json!("ten_00000000000000000000000000000000")),
        ("environment", json!("production")),
        ("nbf", json!(now + 600)),
        ("admin", json!(true)),
        ("jti", json!("x")),
        ("cidr", json!(["192.0.2.0/24"])),
    ] {
        bench.with_claims(&format!("{member} {value}"), |claims| {
            claims[member] = value
        });
    }
    for member in ["iss", "aud", "exp", "sub", "iat", "jti", "scope"] {
        bench.with_claims(&format!("no {member}"), |claims| {
            drop(claims.as_object_mut().unwrap().remove(member));
        });
    }
    let (header, claims) = (bench.header.to_string(), bench.claims.to_string());
    let twice = |text: &str, member: &str| format!("{{{member},{}", &text[1..]);
    bench.raw(
        "a claim twice",
        None,
        Some(twice(&claims, "\"scope\":\"events\"")),
    );
    bench.raw(
        "the end twice",
        None,
        Some(twice(&claims, "\"exp\":9999999999")),
    );
    bench.raw(
        "a header member twice",
        Some(twice(&header, "\"alg\":\"none\"")),
        None,
    );
    bench.raw(
        "deep claims",
        None,
        Some(format!("{}{}", "[".repeat(3000), "]".repeat(3000))),
    );
    bench.raw("a list", None, Some("[]".to_owned()));
    bench.raw("a header that is a list", Some("[]".to_owned()), None);
    bench.raw("no JSON", None, Some("{".to_owned()));
    bench.raw("more than JSON", None, Some(format!("{claims}{{}}")));
    bench.raw("NUL", None, Some(format!("{claims}\u{0}")));
}

/// The good token with its text spoilt.
fn texts(bench: &mut Bench) {
    let good = bench
        .ours
        .sign(&bench.header.to_string(), &bench.claims.to_string());
    let parts: Vec<&str> = good.split('.').collect();
    let (header, claims, signature) = (parts[0], parts[1], parts[2]);
    let mut escalated = bench.claims.clone();
    escalated["sub"] = json!("cli_00000000000000000000000000000000");
    let escalated = B64.encode(escalated.to_string());
    let zero = B64.encode([0; 64]);
    for (what, token) in [
        (
            "changed claims, the old signature",
            format!("{header}.{escalated}.{signature}"),
        ),
        ("no signature", format!("{header}.{claims}.")),
        ("no third part", format!("{header}.{claims}")),
        ("one part", header.to_owned()),
        ("four parts", format!("{good}.{signature}")),
        (
            "five parts, as a JWE",
            format!("{good}.{signature}.{signature}"),
        ),
        ("a signature of zeros", format!("{header}.{claims}.{zero}")),
        (
            "half a signature",
            format!("{header}.{claims}.{}", &signature[..43]),
        ),
        (
            "a longer signature",
            format!("{header}.{claims}.{signature}AAAA"),
        ),
        ("padding", format!("{header}.{claims}.{signature}==")),
        (
            "parts in another order",
            format!("{claims}.{header}.{signature}"),
        ),
        ("nothing", String::new()),
        ("dots", "..".to_owned()),
        (
            "the standard alphabet",
            good.replace('-', "+").replace('_', "/") + "+",
        ),
        ("not base64url", format!("{header}.{claims}.!{signature}")),
    ] {
        bench.add(what, token);
    }
    for at in [0, 1, 2] {
        let cut = &parts[at][..parts[at].len() - 1];
        let mut spoilt = parts.clone();
        spoilt[at] = cut;
        bench.add(format!("part {at} cut short"), spoilt.join("."));
    }
    bench.add("long", "a".repeat(6_000));
}

/// An answer without what differs from one request to the next.
fn shape(reply: &Reply) -> Value {
    let mut problem = reply.json.clone();
    problem["request_id"] = Value::Null;
    // Of a token of ours that was good once it may be told that its time is over, or the place wrong.
    problem["detail"] = Value::Null;
    problem
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f013_f014_every_forged_token_is_refused_alike_and_nothing_is_done() {
    let mut bench = Bench::new().await;
    algorithms(&mut bench);
    keys(&mut bench);
    claims(&mut bench);
    texts(&mut bench);
    let app = &bench.world.app;
    let told = shape(
        &app.post("/v1/operator/tenants", "nonsense", &json!({ "name": "x" }))
            .await,
    );
    let mut wrong = Vec::new();
    for (what, token) in &bench.forged {
        let request = app.request(reqwest::Method::POST, "/v1/operator/tenants");
        let value = format!("Bearer {token}");
        let Ok(value) = reqwest::header::HeaderValue::from_str(&value) else {
            continue;
        };
        let request = request
            .header("authorization", value)
            .json(&json!({ "name": "偽造" }));
        let reply = App::read(request).await;
        let challenge = reply.headers.get("www-authenticate");
        let challenged =
            challenge.is_some_and(|it| it.to_str().unwrap().contains("error=\"invalid_token\""));
        if reply.status != 401 || shape(&reply) != told || !challenged {
            wrong.push(format!("{what}: {} {}", reply.status, reply.json));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(bench.forged.len() >= 110, "{}", bench.forged.len());
    let good = bench.world.house.operator_token();
    let tenants = app.get("/v1/operator/tenants", &good).await;
    assert_eq!(
        tenants.expect(200)["data"],
        json!([]),
        "nobody was taken on"
    );
    let trail = app.get("/v1/operator/audit", &good).await;
    assert_eq!(
        trail.expect(200)["data"].as_array().unwrap().len(),
        1,
        "the bootstrap alone"
    );
}

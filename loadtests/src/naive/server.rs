//! Two routes.

use std::{io::Write, net::TcpListener, path::Path};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer, ResponseError,
    error::ErrorUnauthorized,
    http::StatusCode,
    post,
    web::{Data, Json, JsonConfig},
};
use anyhow::{Context, ensure};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use sea_orm::{DatabaseConnection, TransactionTrait};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{SECRET, store, verify::verify};

struct State {
    db: DatabaseConnection,
    roots: Vec<Vec<u8>>,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    exp: u64,
}

/// An access token that is good for a long time.
pub(super) fn token(tenant: &str) -> anyhow::Result<String> {
    let claims = Claims {
        sub: tenant.to_owned(),
        exp: 4_000_000_000,
    };
    let key = EncodingKey::from_secret(SECRET);
    Ok(jsonwebtoken::encode(
        &Header::new(Algorithm::HS256),
        &claims,
        &key,
    )?)
}

/// Serves until it is killed; prints its address first.
pub(crate) async fn serve(database: &str, roots: &Path) -> anyhow::Result<()> {
    let roots: Vec<String> = serde_json::from_str(&std::fs::read_to_string(roots)?)?;
    let state = Data::new(State {
        db: store::open(database).await?,
        roots: roots
            .iter()
            .map(|root| STANDARD.decode(root))
            .collect::<Result<_, _>>()?,
    });
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", listener.local_addr()?)?;
    out.flush()?;
    let app = move || {
        App::new()
            .app_data(state.clone())
            .app_data(JsonConfig::default().limit(1 << 20))
            .service(post_challenge)
            .service(post_verification)
    };
    HttpServer::new(app).listen(listener)?.run().await?;
    Ok(())
}

/// Whatever went wrong.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Failure(#[from] anyhow::Error);

impl From<sea_orm::DbErr> for Failure {
    fn from(error: sea_orm::DbErr) -> Self {
        Self(error.into())
    }
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        StatusCode::INTERNAL_SERVER_ERROR
    }
}

fn tenant(request: &HttpRequest) -> Result<String, actix_web::Error> {
    let header = request.headers().get("authorization");
    let token = header
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .ok_or_else(|| ErrorUnauthorized("no token"))?;
    let key = DecodingKey::from_secret(SECRET);
    let rules = Validation::new(Algorithm::HS256);
    let claims = jsonwebtoken::decode::<Claims>(token, &key, &rules);
    Ok(claims.map_err(ErrorUnauthorized)?.claims.sub)
}

fn text(of: &Value, path: &str) -> Result<String, Failure> {
    let text = of.pointer(path).and_then(Value::as_str);
    Ok(text.with_context(|| format!("no {path}"))?.to_owned())
}

fn octets(of: &Value, path: &str) -> Result<Vec<u8>, Failure> {
    Ok(STANDARD
        .decode(text(of, path)?)
        .with_context(|| path.to_owned())?)
}

/// SHA-256 of what was signed, which comes as a digest or as a message.
fn digest(of: &Value) -> Result<Vec<u8>, Failure> {
    match of.pointer("/signed/message") {
        Some(_) => Ok(Sha256::digest(octets(of, "/signed/message")?).to_vec()),
        None => octets(of, "/signed/digest"),
    }
}

#[post("/v1/challenges")]
async fn post_challenge(
    request: HttpRequest,
    state: Data<State>,
    body: Json<Value>,
) -> Result<HttpResponse, actix_web::Error> {
    let tenant = tenant(&request)?;
    let id = Uuid::now_v7().to_string();
    let digest = STANDARD.encode(digest(&body)?);
    let txn = state.db.begin().await.map_err(Failure::from)?;
    store::run(
        &txn,
        "INSERT INTO challenge (id, tenant, digest) VALUES ($1, $2, $3)",
        vec![id.clone().into(), tenant.into(), digest.into()],
    )
    .await
    .map_err(Failure::from)?;
    txn.commit().await.map_err(Failure::from)?;
    Ok(HttpResponse::Created().json(json!({ "id": id })))
}

#[post("/v1/verifications")]
async fn post_verification(
    request: HttpRequest,
    state: Data<State>,
    body: Json<Value>,
) -> Result<HttpResponse, actix_web::Error> {
    let tenant = tenant(&request)?;
    let key = request.headers().get("idempotency-key");
    let key = key.and_then(|key| key.to_str().ok()).unwrap_or_default();
    let answer = answer(&state, &tenant, key, &body).await?;
    Ok(HttpResponse::Created().json(answer))
}

async fn answer(state: &State, tenant: &str, key: &str, body: &Value) -> Result<Value, Failure> {
    let certificate = octets(body, "/certificate")?;
    let signature = octets(body, "/signature")?;
    let digest = digest(body)?;
    let signer = verify(&certificate, &state.roots, &digest, &signature)?;
    let (id, challenge) = (Uuid::now_v7().to_string(), text(body, "/challenge_id")?);
    let sealed = seal(&serde_json::to_vec(body).context("the body")?)?;
    let claims = Claims {
        sub: id.clone(),
        exp: 4_000_000_000,
    };
    let secret = EncodingKey::from_secret(SECRET);
    let receipt = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &secret);
    let receipt = receipt.context("the receipt")?;

    let txn = state.db.begin().await?;
    let known = "SELECT body FROM answer WHERE tenant = $1 AND key = $2";
    if let Some(row) = store::one(&txn, known, vec![tenant.into(), key.into()]).await? {
        let body: String = row.try_get("", "body")?;
        return Ok(serde_json::from_str(&body).context("an answer")?);
    }
    let revoked = "SELECT 1 AS one FROM revoked WHERE issuer = $1 AND serial = $2";
    let revoked = store::one(
        &txn,
        revoked,
        vec![signer.issuer.into(), signer.serial.into()],
    );
    let verdict = match revoked.await? {
        None => "valid",
        Some(_) => "invalid",
    };
    let used = store::run(
        &txn,
        "UPDATE challenge SET used_by = $1 WHERE id = $2 AND tenant = $3 AND used_by IS NULL",
        vec![id.clone().into(), challenge.into(), tenant.into()],
    );
    ensure_one(used.await?)?;
    let reference = text(body, "/subject_ref")?;
    store::run(
        &txn,
        "INSERT INTO subject (id, tenant, reference) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        vec![
            Uuid::now_v7().to_string().into(),
            tenant.into(),
            reference.clone().into(),
        ],
    )
    .await?;
    store::run(
        &txn,
        "INSERT INTO verification (id, tenant, subject, accepted_at, evidence) VALUES ($1, $2, $3, $4, $5)",
        vec![
            id.clone().into(),
            tenant.into(),
            reference.into(),
            chrono::Utc::now().to_rfc3339().into(),
            sealed.into(),
        ],
    )
    .await?;
    let answer = json!({ "id": id, "verdict": verdict, "receipt": receipt });
    store::run(
        &txn,
        "INSERT INTO answer (tenant, key, body) VALUES ($1, $2, $3)",
        vec![tenant.into(), key.into(), answer.to_string().into()],
    )
    .await?;
    store::run(
        &txn,
        "INSERT INTO outbox (id, fact) VALUES ($1, $2)",
        vec![Uuid::now_v7().to_string().into(), answer.to_string().into()],
    )
    .await?;
    txn.commit().await?;
    // As compact JSON with this member as the platform writes it.
    Ok(answer)
}

fn ensure_one(rows: u64) -> Result<(), Failure> {
    let used = || {
        ensure!(rows == 1, "the challenge is used");
        Ok(())
    };
    Ok(used()?)
}

/// AES-256-GCM under a key of the load test.
fn seal(plain: &[u8]) -> Result<Vec<u8>, Failure> {
    let unsealed = |_| Failure(anyhow::anyhow!("cannot seal"));
    let key = UnboundKey::new(&AES_256_GCM, &[7; 32]).map_err(unsealed)?;
    let mut nonce = [0; 12];
    aws_lc_rs::rand::fill(&mut nonce).map_err(unsealed)?;
    let mut sealed = plain.to_vec();
    let nonce = Nonce::assume_unique_for_key(nonce);
    LessSafeKey::new(key)
        .seal_in_place_append_tag(nonce, Aad::empty(), &mut sealed)
        .map_err(unsealed)?;
    Ok(sealed)
}

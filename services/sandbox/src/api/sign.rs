//! Letting a card sign.

use actix_web::{HttpResponse, post, web::Data};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_http::{Body, PathId, Problem, ProblemDocument};
use warikan_simulator::{CertificateChoice, Content, HashAlgorithm};
use warikan_types::{Base64Bytes, Person};

use crate::Sandbox;

/// Which certificate's key signs.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Choice {
    #[default]
    Signature,
    Authentication,
}

/// The hash under the signature.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Hash {
    #[default]
    Sha256,
    Sha384,
    Sha512,
}

/// Exactly one of `digest` and `message`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToSign {
    /// `signature` if absent.
    #[serde(default)]
    certificate: Choice,
    /// A finished digest of the algorithm's length.
    digest: Option<Base64Bytes>,
    /// A message, which is hashed here.
    message: Option<Base64Bytes>,
    /// `sha256` if absent.
    #[serde(default)]
    algorithm: Hash,
}

/// What was signed, in the form that `POST /v1/verifications` takes.
#[derive(Debug, Serialize, ToSchema)]
struct SignedView {
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Base64Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Base64Bytes>,
    algorithm: Hash,
}

/// The body of a verification, ready to be sent.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SignatureView {
    /// DER.
    certificate: Base64Bytes,
    /// RSASSA-PKCS1-v1_5.
    signature: Base64Bytes,
    signed: SignedView,
}

/// Let a card sign
///
/// With either certificate. The answer is a body for `POST /v1/verifications`.
#[utoipa::path(tag = "sandbox", params(("id" = warikan_types::PersonId, Path, description = "The person.")), request_body = ToSign, security(()),
    responses((status = 200, body = SignatureView), (status = 400, body = ProblemDocument), (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument), (status = 413, body = ProblemDocument), (status = 415, body = ProblemDocument)))]
#[post("/sandbox/persons/{id}/sign")]
pub(crate) async fn sign(
    id: PathId<Person>,
    body: Body<ToSign>,
    sandbox: Data<Sandbox>,
) -> Result<HttpResponse, Problem> {
    let ToSign {
        certificate,
        digest,
        message,
        algorithm,
    } = body.value;
    let choice = match certificate {
        Choice::Signature => CertificateChoice::Signature,
        Choice::Authentication => CertificateChoice::Authentication,
    };
    let hash = match algorithm {
        Hash::Sha256 => HashAlgorithm::Sha256,
        Hash::Sha384 => HashAlgorithm::Sha384,
        Hash::Sha512 => HashAlgorithm::Sha512,
    };
    let content = match (&digest, &message) {
        (Some(digest), None) => Content::Digest(&digest.0),
        (None, Some(message)) => Content::Message(&message.0),
        (None, None) => {
            return Err(Problem::field(
                "/digest",
                "missing",
                "give either digest or message",
            ));
        }
        (Some(_), Some(_)) => {
            return Err(Problem::field(
                "/message",
                "contradiction",
                "give either digest or message, not both",
            ));
        }
    };
    let (certificate, signature) = sandbox.sign(id.0, choice, content, hash).await?;
    Ok(HttpResponse::Ok().json(SignatureView {
        certificate: Base64Bytes(certificate),
        signature: Base64Bytes(signature),
        signed: SignedView {
            digest,
            message,
            algorithm,
        },
    }))
}

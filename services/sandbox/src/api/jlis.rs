//! What J-LIS serves: lists, their index, OCSP, and (as a convenience) the roots.

use actix_web::{
    HttpRequest, HttpResponse, get,
    http::header::{CACHE_CONTROL, CONTENT_TYPE},
    post,
    web::{Data, Path, Payload},
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use warikan_http::{Code, Problem, ProblemDocument};
use warikan_simulator::CertificateChoice;
use warikan_types::{Base64Bytes, Timestamp};

use crate::{
    Sandbox,
    error::Error,
    published::{FaultKind, ListKey},
};

/// The longest OCSP request.
const OCSP_LIMIT: usize = 64 * 1024;
/// OCSPResponse with the status tryLater (3) and no body.
const TRY_LATER: [u8; 5] = [0x30, 3, 10, 1, 3];

/// A list that lies ready.
#[derive(Debug, Serialize, ToSchema)]
struct ListView {
    /// `signature` or `authentication`.
    ca: &'static str,
    /// From 1; all generations of a CA share one name.
    generation: u32,
    partition: String,
    /// Where it lies, from this server's root.
    url: String,
    /// cRLNumber.
    number: u64,
    this_update: Timestamp,
    next_update: Timestamp,
    entries: u64,
    /// Octets.
    size: usize,
    /// Hexadecimal. Tells whether the list changed, and nothing about whether it is genuine.
    sha256: String,
}

/// The lists that lie ready.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Index {
    lists: Vec<ListView>,
}

/// List the revocation lists
///
/// Where each CA's list is, by generation of the root and by partition, as the stand-in published it last.
#[utoipa::path(tag = "jlis", security(()), responses((status = 200, body = Index), (status = 503, body = ProblemDocument)))]
#[get("/jlis/crl/index.json")]
pub(crate) async fn index(sandbox: Data<Sandbox>) -> Result<HttpResponse, Problem> {
    let served = sandbox.served();
    if served.has(FaultKind::CrlUnavailable, None) {
        return Err(Error::MadeUnavailable.into());
    }
    let lists = served
        .lists
        .iter()
        .map(|(key, list)| ListView {
            ca: key.ca.as_str(),
            generation: key.generation,
            partition: key.partition.clone(),
            url: format!(
                "/jlis/crl/{}/{}/{}.crl",
                key.ca.as_str(),
                key.generation,
                key.partition
            ),
            number: list.number,
            this_update: list.this_update,
            next_update: list.next_update,
            entries: list.entries,
            size: list.der.len(),
            sha256: hex::encode(Sha256::digest(&list.der)),
        })
        .collect();
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(Index { lists }))
}

/// Fetch a revocation list
///
/// DER (RFC 5280 5), signed by the simulated CA. Faults that were set change what comes here.
#[utoipa::path(tag = "jlis", security(()),
    params(("ca" = String, Path, description = "signature or authentication"), ("generation" = u32, Path, description = "from 1"),
        ("partition" = String, Path, description = "tokyo-to_kiyose-shi")),
    responses((status = 200, content_type = "application/pkix-crl", body = Vec<u8>), (status = 404, body = ProblemDocument),
        (status = 503, body = ProblemDocument)))]
#[get("/jlis/crl/{ca}/{generation}/{partition}.crl")]
pub(crate) async fn crl(
    path: Path<(String, String, String)>,
    sandbox: Data<Sandbox>,
) -> Result<HttpResponse, Problem> {
    let (ca, generation, partition) = path.into_inner();
    let ca = CertificateChoice::ALL
        .into_iter()
        .find(|one| one.as_str() == ca);
    let (Some(ca), Ok(generation)) = (ca, generation.parse()) else {
        return Err(Problem::not_found());
    };
    let octets = sandbox.served().fetch(&ListKey {
        ca,
        generation,
        partition,
    })?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/pkix-crl"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(octets))
}

/// Ask the OCSP responder
///
/// An OCSPRequest (RFC 6960 4.1) in, an OCSPResponse out, both DER, at most 64 KiB. It answers for the sandbox's certificates.
#[utoipa::path(tag = "jlis", security(()), request_body(content_type = "application/ocsp-request", content = Vec<u8>),
    responses((status = 200, content_type = "application/ocsp-response", body = Vec<u8>), (status = 413, body = ProblemDocument),
        (status = 415, body = ProblemDocument), (status = 503, body = ProblemDocument)))]
#[post("/jlis/ocsp")]
pub(crate) async fn ocsp(
    request: HttpRequest,
    body: Payload,
    sandbox: Data<Sandbox>,
) -> Result<HttpResponse, Problem> {
    let typed = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    if typed != Some("application/ocsp-request") {
        return Err(Problem::new(
            Code::UnsupportedMediaType,
            "Send the request as application/ocsp-request (RFC 6960 appendix A.1).",
        ));
    }
    let octets = warikan_http::whole_body(&request, body, OCSP_LIMIT).await?;
    let served = sandbox.served();
    let has = |kind| served.has(kind, None);
    if has(FaultKind::OcspUnavailable) {
        return Err(Error::MadeUnavailable.into());
    }
    if has(FaultKind::OcspGarbage) {
        return Ok(HttpResponse::Ok()
            .content_type("text/html")
            .body("<!DOCTYPE html><title>Maintenance</title><p>Please come again."));
    }
    let answer = if has(FaultKind::OcspTryLater) {
        TRY_LATER.to_vec()
    } else {
        let now = sandbox.now();
        sandbox
            .read(|state| Ok(state.simulator.ocsp(&octets, now.utc())))
            .await?
    };
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/ocsp-response"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(answer))
}

/// A simulated root.
#[derive(Debug, Serialize, ToSchema)]
struct RootView {
    /// `signature` or `authentication`.
    ca: &'static str,
    generation: u32,
    /// DER.
    certificate: Base64Bytes,
    not_before: Timestamp,
    not_after: Timestamp,
}

/// The simulated roots.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Roots {
    roots: Vec<RootView>,
}

/// List the simulated CAs' roots
///
/// Certificates in base64 of DER. Real trust anchors are never fetched: they are handed over by people.
#[utoipa::path(tag = "jlis", security(()), responses((status = 200, body = Roots)))]
#[get("/jlis/roots")]
pub(crate) async fn roots(sandbox: Data<Sandbox>) -> HttpResponse {
    let roots = sandbox
        .roots()
        .iter()
        .map(|root| RootView {
            ca: root.choice.as_str(),
            generation: root.generation,
            certificate: Base64Bytes(root.der.clone()),
            not_before: Timestamp::new(root.not_before),
            not_after: Timestamp::new(root.not_after),
        })
        .collect();
    HttpResponse::Ok().json(Roots { roots })
}

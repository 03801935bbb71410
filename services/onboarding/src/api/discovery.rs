//! The shapes of the discovery documents, for the public document. What is served is made where its content is known.

use utoipa::ToSchema;

/// Authorization server metadata (RFC 8414 2).
#[derive(ToSchema)]
#[expect(dead_code, reason = "the public document reads it")]
pub(crate) struct ServerMetadata {
    /// Who the platform is.
    issuer: String,
    /// Where tokens are given.
    token_endpoint: String,
    /// Where the public keys are.
    jwks_uri: String,
    /// `client_credentials`.
    grant_types_supported: Vec<String>,
    /// None: there is no authorization endpoint.
    response_types_supported: Vec<String>,
    /// How clients authenticate; `private_key_jwt` where the platform knows its own name.
    token_endpoint_auth_methods_supported: Vec<String>,
    /// What an assertion may be signed with.
    token_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// All scopes.
    scopes_supported: Vec<String>,
}

/// A JWK Set (RFC 7517 5).
#[derive(ToSchema)]
#[expect(dead_code, reason = "the public document reads it")]
pub(crate) struct PublicKeys {
    /// The keys for access tokens and for receipts; `kid` says which.
    keys: Vec<PublicKey>,
}

/// An Ed25519 public key (RFC 8037 2).
#[derive(ToSchema)]
#[expect(dead_code, reason = "the public document reads it")]
pub(crate) struct PublicKey {
    /// `OKP`
    kty: String,
    /// `Ed25519`
    crv: String,
    /// `sig`
    r#use: String,
    /// `EdDSA`
    alg: String,
    /// As tokens and receipts name it.
    kid: String,
    /// The key, base64url.
    x: String,
}

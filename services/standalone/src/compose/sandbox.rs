//! Where the stand-in for J-LIS publishes, for those who ask J-LIS.

use warikan_revocation::Source;
use warikan_types::Environment;
use warikan_verification::{CertIdUse, Certificates, NonceUse, Responder};

pub(super) fn sandbox_source(base: &str) -> Source {
    Source {
        environment: Environment::Sandbox,
        index_url: format!("{base}/jlis/crl/index.json"),
    }
}

pub(super) fn sandbox_responder(base: &str) -> Responder {
    Responder {
        environment: Environment::Sandbox,
        url: format!("{base}/jlis/ocsp"),
        certificates: Certificates::All,
        nonce: NonceUse::Optional,
        cert_id: CertIdUse::Sha1,
    }
}

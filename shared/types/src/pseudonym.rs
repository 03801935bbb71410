//! Certificate handles: keyed pseudonyms that one tenant cannot link to another's (法52条).

use hmac::{Hmac, Mac};
use sha2::Sha256;
use uuid::Uuid;

use crate::{CertificateHandle, CertificateId, Secret, TenantScope};

/// The platform's key for pseudonyms.
#[derive(Clone)]
pub struct PseudonymKey(Secret<[u8; 32]>);

impl PseudonymKey {
    /// Wraps the key bytes.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self(Secret::new(key))
    }

    /// The handle by which `scope` knows the certificate: HMAC-SHA-256 over tenant, environment, issuer
    /// key and serial, cut to 128 bits. Equal for equal inputs, unlinkable without the key.
    #[must_use]
    pub fn handle(&self, scope: TenantScope, certificate: &CertificateId) -> CertificateHandle {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose())
            .expect("HMAC takes a key of any length");
        mac.update(b"warikan certificate handle v1\0");
        mac.update(scope.tenant().uuid().as_bytes());
        mac.update(&[match scope.environment() {
            crate::Environment::Sandbox => 0,
            crate::Environment::Production => 1,
        }]);
        // Both parts before the serial have a fixed length, so no two inputs share an encoding (F008).
        mac.update(&certificate.issuer.0);
        mac.update(certificate.serial.octets());
        let tag = mac.finalize().into_bytes();
        let mut short = [0; 16];
        short.copy_from_slice(&tag[..16]);
        CertificateHandle::from_uuid(Uuid::from_bytes(short))
    }

    /// A fingerprint under which `scope`'s own text (a customer number) can be found again without being stored.
    #[must_use]
    pub fn fingerprint(&self, scope: TenantScope, text: &str) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose())
            .expect("HMAC takes a key of any length");
        mac.update(b"warikan reference fingerprint v1\0");
        mac.update(scope.tenant().uuid().as_bytes());
        mac.update(scope.environment().as_str().as_bytes());
        mac.update(b"\0");
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Entropy, Environment, IssuerKey, Serial, Timestamp};

    #[test]
    fn f010_handles_differ_per_tenant_and_environment() {
        let key = PseudonymKey::new([7; 32]);
        let at: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        let entropy = Entropy::seeded(1);
        let (a, b) = (entropy.id(at), entropy.id(at));
        let certificate = CertificateId {
            issuer: IssuerKey([1; 32]),
            serial: Serial::from_u64(5).unwrap(),
        };
        let of = |tenant, environment| {
            key.handle(TenantScope::of_event(tenant, environment), &certificate)
        };
        let handle = of(a, Environment::Production);
        assert_eq!(handle, of(a, Environment::Production));
        assert_ne!(handle, of(b, Environment::Production));
        assert_ne!(handle, of(a, Environment::Sandbox));
        assert_ne!(
            handle,
            PseudonymKey::new([8; 32]).handle(
                TenantScope::of_event(a, Environment::Production),
                &certificate
            )
        );
    }
}

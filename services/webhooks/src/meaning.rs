//! What a reason of J-LIS means, and what a tenant should do about it: the sentences that a tenant also reads in its watches.

use warikan_types::RevocationReason;

/// What the reason says about the customer, as J-LIS uses it.
pub(crate) const fn meaning(reason: RevocationReason) -> &'static str {
    match reason {
        RevocationReason::Unspecified => "The card was discarded before it was delivered.",
        RevocationReason::KeyCompromise => "The holder's card or key is lost or compromised.",
        RevocationReason::CaCompromise | RevocationReason::AaCompromise => {
            "The key of the certification authority is compromised."
        }
        RevocationReason::AffiliationChanged => "Name, address, date of birth or sex has changed.",
        RevocationReason::Superseded => "The certificate was renewed; a new one took its place.",
        RevocationReason::CessationOfOperation => "The certificate is no longer needed.",
        RevocationReason::CertificateHold => {
            "The certificate is held; the issuer never lifts a hold."
        }
        RevocationReason::PrivilegeWithdrawn => "The issuer has withdrawn the certificate.",
    }
}

/// What to do about the customer.
pub(crate) const fn recommended_action(reason: RevocationReason) -> &'static str {
    match reason {
        RevocationReason::Unspecified => "Treat the certificate as never valid.",
        RevocationReason::KeyCompromise => {
            "Suspend what rests on this certificate and verify the customer again."
        }
        RevocationReason::CaCompromise | RevocationReason::AaCompromise => {
            "Rely on no certificate of this authority until the operator tells more."
        }
        RevocationReason::AffiliationChanged => "Ask the customer for the new attributes.",
        RevocationReason::Superseded => {
            "Nothing about the customer has changed; verify with the new certificate at the next occasion."
        }
        // Never to be read as a death: most who give a certificate back live.
        RevocationReason::CessationOfOperation => {
            "Ask the customer for another way of verification."
        }
        RevocationReason::CertificateHold => "Treat the certificate as revoked.",
        RevocationReason::PrivilegeWithdrawn => "Verify the customer again.",
    }
}

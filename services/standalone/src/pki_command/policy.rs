//! From the policy of a `path` request to that of the engine.

use warikan_pki::{
    AnchorConstraints, AnchorValidity, MAX_INTERMEDIATES, Oid, PathAlgorithms, PathPolicy,
    Revocation,
};

use super::request::{self, Policy, RevocationMode};

/// What a request does not say is decided for an operator who pins a stranger's root and asks no more:
///
/// - An anchor outside its own validity is not trusted, nor one that may not issue (basic constraints, key usage), nor further than
///   its path length and name constraints reach. Its policies and purposes do not count: RFC 5280 6.1.1 makes both inputs, and
///   the request has fields for them. RFC 5280 itself knows only an anchor's name and key (`anchor_validity: "ignored"`,
///   `anchor_constraints: "names"`), RFC 5937 also the rest (`"all"`).
/// - This command judges what others have made, in the past too: SHA-1 and RSA from 1024 bits count, in certificates and lists, unless
///   the request says `forbid_sha1`.
pub(super) fn path_policy(
    asked: &Policy,
    revocation: RevocationMode,
) -> Result<PathPolicy, &'static str> {
    let mut policy = PathPolicy::any();
    if let Some(set) = &asked.initial_policy_set {
        policy.initial_policies = oids(set)?;
    }
    if let Some(purposes) = &asked.required_eku {
        policy.required_purposes = oids(purposes)?;
    }
    let flag = |value: Option<bool>| value.unwrap_or(false);
    policy.explicit_policy = flag(asked.initial_explicit_policy);
    policy.inhibit_mapping = flag(asked.initial_policy_mapping_inhibit);
    policy.inhibit_any = flag(asked.initial_inhibit_any_policy);
    if let Some(depth) = asked.max_chain_depth {
        policy.max_intermediates =
            usize::try_from(depth).map_or(MAX_INTERMEDIATES, |depth| depth.min(MAX_INTERMEDIATES));
    }
    policy.algorithms = if flag(asked.forbid_sha1) {
        PathAlgorithms::Current
    } else {
        PathAlgorithms::Legacy
    };
    policy.revocation = match revocation {
        RevocationMode::HardFail => Revocation::HardFail,
        RevocationMode::None => Revocation::None,
    };
    policy.anchor_validity = match asked.anchor_validity {
        Some(request::AnchorValidity::Ignored) => AnchorValidity::Ignored,
        None | Some(request::AnchorValidity::Enforced) => AnchorValidity::Enforced,
    };
    policy.anchor_constraints = match asked.anchor_constraints {
        Some(request::AnchorConstraints::Names) => AnchorConstraints::Names,
        None | Some(request::AnchorConstraints::Issuing) => AnchorConstraints::Issuing,
        Some(request::AnchorConstraints::All) => AnchorConstraints::All,
    };
    Ok(policy)
}

fn oids(texts: &[String]) -> Result<Vec<Oid>, &'static str> {
    texts
        .iter()
        .map(|text| text.parse())
        .collect::<Result<_, _>>()
        .map_err(|_| "a policy or purpose that is no object identifier")
}

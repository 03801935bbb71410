//! From the policy of a `path` request to that of the engine.

use warikan_pki::{
    AnchorConstraints, AnchorValidity, MAX_INTERMEDIATES, Oid, PathAlgorithms, PathPolicy,
    Revocation,
};

use super::request::{self, Policy, RevocationMode};

/// This command judges what others have made, in the past too: SHA-1 and short RSA keys count unless the request
/// says otherwise.
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
    if let Some(request::AnchorValidity::Enforced) = asked.anchor_validity {
        policy.anchor_validity = AnchorValidity::Enforced;
    }
    if let Some(request::AnchorConstraints::All) = asked.anchor_constraints {
        policy.anchor_constraints = AnchorConstraints::All;
    }
    Ok(policy)
}

fn oids(texts: &[String]) -> Result<Vec<Oid>, &'static str> {
    texts
        .iter()
        .map(|text| text.parse())
        .collect::<Result<_, _>>()
        .map_err(|_| "a policy or purpose that is no object identifier")
}

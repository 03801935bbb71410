//! Validation of one path (RFC 5280 6.1), from the certificate below the anchor down to the target.

use super::{
    AnchorConstraints, AnchorValidity, PathFailure, Revocation,
    constraints::{self, NameConstraints, Refusal},
    engine::{Engine, Index},
    policies::PolicyGraph,
    revocation::Status,
};
use crate::{extension::KeyUsage, oid::ANY_KEY_USAGE, path::cert::Node};

/// State variables of section 6.1.2.
struct State<'n, 'a> {
    policies: PolicyGraph<'a>,
    names: Vec<&'n NameConstraints<'a>>,
    explicit_policy: u32,
    inhibit_any: u32,
    policy_mapping: u32,
    max_path_length: u32,
}

impl<'a> Engine<'a> {
    /// Validates the path and, if the policy says so, the status of each of its certificates.
    pub(super) fn validate(
        &mut self,
        anchor: Index,
        path: &[Index],
        beside: &mut Vec<Index>,
    ) -> Result<(), PathFailure> {
        self.spend_validation()?;
        self.validate_structure(anchor, path, !beside.is_empty())?;
        if self.policy.revocation == Revocation::None {
            return Ok(());
        }
        let mut issuer = anchor;
        for index in path {
            match self.status(*index, issuer, anchor, beside)? {
                Status::Good => issuer = *index,
                Status::Revoked => return Err(PathFailure::Revoked),
                Status::Unknown => return Err(PathFailure::StatusUnavailable),
            }
        }
        Ok(())
    }

    /// Everything but signatures (checked when the path was found) and status. For the signer of a list
    /// policies and purposes of the caller do not count.
    fn validate_structure(
        &self,
        anchor: Index,
        path: &[Index],
        beside: bool,
    ) -> Result<(), PathFailure> {
        let length = u32::try_from(path.len()).unwrap_or(u32::MAX);
        let start = |inhibited: bool| if inhibited { 0 } else { length + 1 };
        let mut state = State {
            policies: PolicyGraph::new(),
            names: Vec::new(),
            explicit_policy: start(self.policy.explicit_policy && !beside),
            inhibit_any: start(self.policy.inhibit_any),
            policy_mapping: start(self.policy.inhibit_mapping),
            max_path_length: length,
        };
        self.start_from_anchor(anchor, &mut state)?;
        for (position, index) in path.iter().enumerate() {
            let node = &self.nodes[*index];
            let last = position + 1 == path.len();
            self.within_validity(*index)?;
            if node.ext.unknown_critical {
                return Err(PathFailure::UnknownCritical);
            }
            if last || !node.is_self_issued() {
                self.spend_work(constraints::cost(node, &state.names))?;
                check_names(node, &state.names)?;
            }
            if !beside {
                self.check_purposes(node)?;
            }
            let asserted = node.ext.policies.as_ref().map(|list| list.oids.as_slice());
            let any_allowed = state.inhibit_any > 0 || !last && node.is_self_issued();
            state.policies.assert(asserted, any_allowed);
            if last {
                state.wrap_up(node);
            } else {
                state.prepare_next(node)?;
            }
        }
        let accepted = if beside {
            super::PathPolicy::any().accepted()
        } else {
            self.policy.accepted()
        };
        if state.explicit_policy == 0 && !state.policies.is_valid_for(&accepted) {
            return Err(PathFailure::Policy);
        }
        Ok(())
    }

    fn start_from_anchor<'n>(
        &'n self,
        anchor: Index,
        state: &mut State<'n, 'a>,
    ) -> Result<(), PathFailure> {
        let node = &self.nodes[anchor];
        if self.policy.anchor_validity == AnchorValidity::Enforced {
            self.within_validity(anchor)?;
        }
        let constraints = self.policy.anchor_constraints;
        if constraints == AnchorConstraints::Names {
            state.names.extend(&node.ext.names);
            return Ok(());
        }
        if node.ext.basic.is_some_and(|basic| !basic.ca) {
            return Err(PathFailure::NotCa);
        }
        if !node.may(KeyUsage::KEY_CERT_SIGN) {
            return Err(PathFailure::KeyUsage);
        }
        if constraints == AnchorConstraints::Issuing {
            state.take_issuing_constraints(node);
            return Ok(());
        }
        self.check_purposes(node)?;
        let asserted = node.ext.policies.as_ref().map(|list| list.oids.as_slice());
        if asserted.is_some() {
            state.policies.assert(asserted, state.inhibit_any > 0);
        }
        state
            .policies
            .map(&node.ext.mappings, state.policy_mapping > 0)
            .map_err(|_| PathFailure::Policy)?;
        state.take_constraints(node);
        Ok(())
    }

    /// Extended key usage along the path: absent, any, or with every purpose that is required.
    fn check_purposes(&self, node: &Node<'_>) -> Result<(), PathFailure> {
        let Some(purposes) = &node.ext.purposes else {
            return Ok(());
        };
        let serves = |wanted: &[u8]| {
            purposes
                .iter()
                .any(|purpose| *purpose == ANY_KEY_USAGE || *purpose == wanted)
        };
        if self
            .policy
            .required_purposes
            .iter()
            .all(|wanted| serves(wanted.content()))
        {
            Ok(())
        } else {
            Err(PathFailure::Purpose)
        }
    }
}

fn check_names(node: &Node<'_>, above: &[&NameConstraints<'_>]) -> Result<(), PathFailure> {
    constraints::check(node, above).map_err(|refusal| match refusal {
        Refusal::NotPermitted => PathFailure::NameConstraints,
        Refusal::TooMany => PathFailure::BudgetExhausted,
    })
}

impl<'n, 'a> State<'n, 'a> {
    /// Section 6.1.4.
    fn prepare_next(&mut self, node: &'n Node<'a>) -> Result<(), PathFailure> {
        if !node.ext.is_ca() {
            return Err(PathFailure::NotCa);
        }
        if !node.may(KeyUsage::KEY_CERT_SIGN) {
            return Err(PathFailure::KeyUsage);
        }
        self.policies
            .map(&node.ext.mappings, self.policy_mapping > 0)
            .map_err(|_| PathFailure::Policy)?;
        if !node.is_self_issued() {
            // (h) and (l).
            self.explicit_policy = self.explicit_policy.saturating_sub(1);
            self.policy_mapping = self.policy_mapping.saturating_sub(1);
            self.inhibit_any = self.inhibit_any.saturating_sub(1);
            self.max_path_length = self
                .max_path_length
                .checked_sub(1)
                .ok_or(PathFailure::TooLong)?;
        }
        self.take_constraints(node);
        Ok(())
    }

    /// (g), (i), (j), (m): what the certificate demands of those below it.
    fn take_constraints(&mut self, node: &'n Node<'a>) {
        let lower = |value: &mut u32, limit: Option<u32>| {
            *value = limit.map_or(*value, |limit| limit.min(*value));
        };
        self.take_issuing_constraints(node);
        if let Some(constraints) = node.ext.policy_constraints {
            lower(&mut self.explicit_policy, constraints.require_explicit);
            lower(&mut self.policy_mapping, constraints.inhibit_mapping);
        }
        lower(&mut self.inhibit_any, node.ext.inhibit_any);
    }

    /// (g), (m): how far it may issue.
    fn take_issuing_constraints(&mut self, node: &'n Node<'a>) {
        self.names.extend(&node.ext.names);
        if let Some(limit) = node.ext.basic.and_then(|basic| basic.path_length) {
            self.max_path_length = self.max_path_length.min(limit);
        }
    }

    /// Section 6.1.5 (a), (b).
    fn wrap_up(&mut self, node: &Node<'_>) {
        self.explicit_policy = self.explicit_policy.saturating_sub(1);
        let required = node
            .ext
            .policy_constraints
            .and_then(|one| one.require_explicit);
        if required == Some(0) {
            self.explicit_policy = 0;
        }
    }
}

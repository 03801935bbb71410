//! A tenant's life: which step follows which, and what must stand before it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_contracts::facts::TenantState;

/// What kind of verifier it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TenantKind {
    /// A private verifier (署名検証者).
    Business,
    /// A professional body that verifies for its members (団体署名検証者, 法17条5項).
    Association,
}

impl TenantKind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Business => "business",
            Self::Association => "association",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        [Self::Business, Self::Association]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}

/// The go-live checklist: what the law wants before production (法17条, 施行規則29条).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChecklistItem {
    /// The contract by which *all* confirmation work is delegated.
    DelegationContract,
    /// No ground for disqualification was found.
    DisqualificationCheck,
    /// J-LIS has accepted the notification (届出).
    Filing,
    /// The agreement with J-LIS (取決め) is concluded.
    Agreement,
}

impl ChecklistItem {
    pub(crate) const ALL: [Self; 4] = [
        Self::DelegationContract,
        Self::DisqualificationCheck,
        Self::Filing,
        Self::Agreement,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::DelegationContract => "delegation_contract",
            Self::DisqualificationCheck => "disqualification_check",
            Self::Filing => "filing",
            Self::Agreement => "agreement",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|item| item.as_str() == word)
    }
}

/// Why a step is not possible.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StepError {
    #[error("a tenant that is {} cannot become {}", from.as_str(), to.as_str())]
    NoSuchStep { from: TenantState, to: TenantState },
    #[error("not before these stand on the checklist: {}", missing.iter().map(|item| item.as_str()).collect::<Vec<_>>().join(", "))]
    Missing { missing: Vec<ChecklistItem> },
    #[error(
        "an association is notified with its members (法17条5項); record its particulars first"
    )]
    NoMembers,
}

/// Whether a tenant may go from one state to another with this much of the checklist done; `members` stand where its kind needs any.
pub(crate) fn step(
    from: TenantState,
    to: TenantState,
    done: &[ChecklistItem],
    members: bool,
) -> Result<(), StepError> {
    use ChecklistItem as Item;
    use TenantState as State;
    let needs: &[Item] = match (from, to) {
        (State::Applied, State::Contracted) => &[Item::DelegationContract],
        (State::Contracted, State::Notified) => {
            &[Item::DelegationContract, Item::DisqualificationCheck]
        }
        (State::Notified | State::Suspended, State::Active) => &Item::ALL,
        (State::Active, State::Suspended) => &[],
        (from, State::Closed) if from != State::Closed => &[],
        _ => return Err(StepError::NoSuchStep { from, to }),
    };
    let missing: Vec<Item> = needs
        .iter()
        .copied()
        .filter(|item| !done.contains(item))
        .collect();
    if !missing.is_empty() {
        return Err(StepError::Missing { missing });
    }
    if !members && matches!(to, State::Notified | State::Active) {
        return Err(StepError::NoMembers);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn production_is_reached_only_by_every_step_with_everything_done() {
        use TenantState as State;
        let states = [
            State::Applied,
            State::Contracted,
            State::Notified,
            State::Active,
            State::Suspended,
            State::Closed,
        ];
        for from in states {
            for skip in ChecklistItem::ALL {
                let done: Vec<_> = ChecklistItem::ALL
                    .into_iter()
                    .filter(|one| *one != skip)
                    .collect();
                assert!(
                    step(from, State::Active, &done, true).is_err(),
                    "{from:?} without {skip:?}"
                );
            }
            let whole = step(from, State::Active, &ChecklistItem::ALL, true).is_ok();
            assert_eq!(whole, matches!(from, State::Notified | State::Suspended));
            assert!(
                step(from, State::Active, &ChecklistItem::ALL, false).is_err(),
                "an association without members"
            );
            assert!(
                step(State::Closed, from, &ChecklistItem::ALL, true).is_err(),
                "closed is final"
            );
        }
    }
}

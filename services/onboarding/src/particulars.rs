//! What a filing says of a tenant: who it is, who stands for it, for which business it verifies, and for whom.
//!
//! Which fields J-LIS's own form has is not public. These are what the law's terms need: a private verifier (法17条1項) is a person in law with a name, a
//! seat and a representative; an association (法17条5項) also has members, for whom it verifies.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use warikan_http::Problem;

use crate::{error::Error, store::TenantRow, tenant::TenantKind, text::plain};

/// Members of one association: its page of a filing stays printable, and a body within its limit.
const MOST_MEMBERS: usize = 1_000;
/// Businesses named in one filing.
const MOST_PURPOSES: usize = 20;

/// What a filing says of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Particulars {
    /// The seat (主たる事務所の所在地), 1 to 300 characters.
    #[schema(min_length = 1, max_length = 300)]
    pub(crate) address: String,
    /// Who stands for it, with the office held: `代表取締役　割勘　太郎`; 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    pub(crate) representative: String,
    /// 法人番号: 13 digits, the first a check digit. Absent for who has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 13, max_length = 13, pattern = "^[0-9]{13}$")]
    pub(crate) corporate_number: Option<String>,
    /// For which business it verifies (署名検証業務の内容), 1 to 20 texts of 1 to 200 characters.
    #[schema(min_items = 1, max_items = 20)]
    pub(crate) purposes: Vec<String>,
    /// Whom to ask: a department and how to reach it, 1 to 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200)]
    pub(crate) contact: Option<String>,
    /// Of an association, by what it is one (法17条5項), 1 to 300 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 300)]
    pub(crate) association_basis: Option<String>,
    /// Of an association, for whom it verifies: up to 1,000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000)]
    pub(crate) members: Vec<Member>,
}

/// A member of an association.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Member {
    /// Name, 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200)]
    pub(crate) name: String,
    /// Seat, 1 to 300 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 300)]
    pub(crate) address: Option<String>,
    /// The number under which the association knows it, 1 to 50 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 50)]
    pub(crate) number: Option<String>,
}

impl Particulars {
    /// As it is kept.
    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(crate) fn of_row(row: &TenantRow) -> Result<Option<Self>, Error> {
        row.particulars
            .as_deref()
            .map(serde_json::from_str)
            .transpose()
            .map_err(|_| Error::Damaged("tenant.particulars"))
    }

    /// Whether they can stand in a filing of a tenant of this kind. Pointers are from the particulars' own root.
    pub(crate) fn check(&self, kind: TenantKind) -> Result<(), Problem> {
        plain("/address", &self.address, 300)?;
        plain("/representative", &self.representative, 100)?;
        if let Some(number) = &self.corporate_number
            && !is_corporate_number(number)
        {
            let why = "13 digits, of which the first is the check digit of the others";
            return Err(Problem::field("/corporate_number", "invalid_value", why));
        }
        if !(1..=MOST_PURPOSES).contains(&self.purposes.len()) {
            let why = format!("1 to {MOST_PURPOSES}");
            return Err(Problem::field("/purposes", "out_of_range", why));
        }
        for (place, purpose) in self.purposes.iter().enumerate() {
            plain(&format!("/purposes/{place}"), purpose, 200)?;
        }
        if let Some(contact) = &self.contact {
            plain("/contact", contact, 200)?;
        }
        match kind {
            TenantKind::Association => self.check_members(),
            TenantKind::Business if self.members.is_empty() && self.association_basis.is_none() => {
                Ok(())
            }
            TenantKind::Business => Err(Problem::field(
                "/members",
                "invalid_value",
                "a business verifies for itself; only an association has members",
            )),
        }
    }

    fn check_members(&self) -> Result<(), Problem> {
        match &self.association_basis {
            Some(basis) => drop(plain("/association_basis", basis, 300)?),
            None => {
                let why = "an association says by what it is one";
                return Err(Problem::field("/association_basis", "missing", why));
            }
        }
        if !(1..=MOST_MEMBERS).contains(&self.members.len()) {
            let why = format!("1 to {MOST_MEMBERS}");
            return Err(Problem::field("/members", "out_of_range", why));
        }
        for (place, member) in self.members.iter().enumerate() {
            let at = |name: &str| format!("/members/{place}/{name}");
            plain(&at("name"), &member.name, 200)?;
            if let Some(address) = &member.address {
                plain(&at("address"), address, 300)?;
            }
            if let Some(number) = &member.number {
                plain(&at("number"), number, 50)?;
            }
        }
        Ok(())
    }
}

/// Thirteen digits, the first of which makes the sum right (法人番号の指定等に関する省令2条).
fn is_corporate_number(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    if digits.len() != 13 || text.len() != 13 {
        return false;
    }
    // From the right, digits count once and twice in turn; nine minus the rest by nine.
    let sum: u32 = digits[1..]
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| digit * if place % 2 == 0 { 1 } else { 2 })
        .sum();
    digits[0] == 9 - sum % 9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_corporate_number_has_a_check_digit() {
        // The National Tax Agency's own, and the Digital Agency's.
        for good in ["7000012050002", "8000012010038"] {
            assert!(is_corporate_number(good), "{good}");
        }
        for bad in [
            "7000012050003",
            "6000012050002",
            "700001205000",
            "７000012050002",
            "70000120500021",
        ] {
            assert!(!is_corporate_number(bad), "{bad}");
        }
    }
}

//! What an operator sets.

use std::path::PathBuf;

use serde::Deserialize;
use warikan_paper::Fonts;

use crate::{
    compare_statement::StatementLayout,
    registration_number::RegistrationNumber,
    tariff::TariffRows,
    tax::{Rounding, TaxCategory},
};

/// The registration number of the sample issuer: right by its check digit, and given to no one.
pub(crate) const SAMPLE_NUMBER: &str = "T9999999999999";

/// Configuration of billing.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Who issues the invoices. The default is a sample that says so; an operator must set its own before it bills
    /// anyone.
    pub issuer: Issuer,
    /// Which way the tax of an invoice is rounded (once per rate). The law leaves it to the issuer; most round down.
    pub tax_rounding: Rounding,
    /// How the operator's own charges are taxed.
    pub platform_tax: TaxCategory,
    /// How passed-through J-LIS fees are taxed. Whether a fee that the operator merely forwards is taxed depends on its
    /// contracts (立替払い), so it is set and not assumed; `standard` is the cautious choice.
    pub jlis_fee_tax: TaxCategory,
    /// How shares of shared costs are taxed.
    pub shared_cost_tax: TaxCategory,
    /// Font files (OpenType or TrueType) for characters that the built-in font does not have, such as rare kanji in names. They are
    /// asked in this order; what none has is set as 〓 and the invoice says so.
    pub additional_fonts: Vec<PathBuf>,
    /// How old a revocation list can be when it is asked, in seconds: estimates say by it which freshness lists can meet.
    /// J-LIS publishes them once a day and takes up to ten minutes over it.
    pub list_age_seconds: u64,
    /// How J-LIS's statements are read.
    pub jlis_statement: StatementLayout,
    /// Tariff rows on top of the compiled ones: new plans, new prices from a day on, J-LIS fees as they are announced.
    pub tariff: TariffRows,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            issuer: Issuer::default(),
            tax_rounding: Rounding::default(),
            platform_tax: TaxCategory::default(),
            jlis_fee_tax: TaxCategory::default(),
            shared_cost_tax: TaxCategory::default(),
            additional_fonts: Vec::new(),
            list_age_seconds: 24 * 3_600 + 600,
            jlis_statement: StatementLayout::default(),
            tariff: TariffRows::default(),
        }
    }
}

impl Config {
    /// The fonts that invoices are set in; the text says which cannot be used.
    pub(crate) fn fonts(&self) -> Result<Fonts, String> {
        let mut fonts = Fonts::built_in();
        for path in &self.additional_fonts {
            let refused = |error: &dyn std::fmt::Display| {
                format!("billing.additional_fonts: {}: {error}", path.display())
            };
            let octets = std::fs::read(path).map_err(|error| refused(&error))?;
            fonts.add(octets).map_err(|error| refused(&error))?;
        }
        Ok(fonts)
    }
}

/// The issuer of qualified invoices (適格請求書発行事業者).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// Its legal name, as registered.
    pub name: String,
    /// `T` and 13 digits; the check digit is verified.
    pub registration_number: RegistrationNumber,
}

impl Default for Issuer {
    fn default() -> Self {
        Self {
            name: "割り勘プラットフォーム株式会社（見本）".to_owned(),
            registration_number: SAMPLE_NUMBER
                .parse()
                .expect("the sample's check digit is right"),
        }
    }
}

use proptest::prelude::*;
use warikan_types::Timestamp;

use super::*;
use crate::{
    billable::Rule,
    rate::Taxes,
    tariff::{Tariff, TariffRows},
    tax::{Rounding, TaxCategory},
    usage::Operation,
};

const TARIFF: &str = "[[plans]]\nplan = \"large\"\nvalid_from = \"2026-01-01\"\nbase_fee = 1000\nminimum = 400\n\
     signature_verification = { included = 3, price = 53, tiers = [{ above = 7, price = 41 }] }\n\
     authentication = 7\nstatus_check = { price = 5, tiers = [{ above = 4, price = 3 }] }\n\
     [[jlis_fees]]\nvalid_from = \"2026-01-01\"\nchannel = \"ocsp\"\nkinds = [\"card_signature\", \"phone_signature\"]\n\
     purposes = [\"signature_verification\", \"status_check\"]\nunit_price = 7\n\
     [[jlis_fees]]\nvalid_from = \"2026-01-01\"\nchannel = \"ocsp\"\nkinds = [\"card_authentication\", \"phone_authentication\"]\n\
     purposes = [\"authentication\", \"status_check\"]\nunit_price = 1\n";

/// One operation of a volume, as a fact would have it counted.
fn operation(volume: &Volume, number: i64, period: BillingMonth) -> Operation {
    let accepted_at: Timestamp = period.start();
    Operation {
        mark: 0,
        meter: match volume.purpose {
            Purpose::StatusCheck => Meter::StatusCheck,
            _ => Meter::Verification,
        },
        key: format!("{volume:?}{number}"),
        purpose: Some(volume.purpose),
        kind: Some(volume.kind),
        channel: volume.channel,
        accepted_at,
        month: period,
        priced_on: volume.day.unwrap_or_else(|| first_day(period)),
        rule: Rule::AnsweredValid,
        verdict: None,
        reason: None,
    }
}

fn volume() -> impl Strategy<Value = Volume> {
    let purposes = prop::sample::select(Purpose::ALL.to_vec());
    let kinds = prop::sample::select(CertificateKind::ALL.to_vec());
    let channels = prop::sample::select(vec![Channel::Crl, Channel::Ocsp]);
    (purposes, kinds, channels, 1_i64..12, 1_u32..=30).prop_filter_map(
        "the kind fits the purpose",
        |(purpose, kind, channel, quantity, day)| {
            let listed = purpose == Purpose::StatusCheck && channel == Channel::Crl;
            purpose.fits(kind).then_some(Volume {
                purpose,
                kind,
                channel: Some(channel),
                quantity,
                day: NaiveDate::from_ymd_opt(2026, 11, day).filter(|_| !listed),
            })
        },
    )
}

proptest! {
    /// The estimate of a volume is the invoice of the same volume, metered one operation after the other in any order.
    #[test]
    fn an_estimate_is_the_invoice_of_the_same_volume(
        volumes in prop::collection::vec(volume(), 1..8),
        seed in any::<u64>(),
    ) {
        let rows: TariffRows = toml::from_str(TARIFF).unwrap();
        let tariff = Tariff::load(&rows).unwrap();
        let period: BillingMonth = "2026-11".parse().unwrap();
        let account = Account::supposed("large", period);
        let terms = Terms {
            tariff: &tariff,
            account: &account,
            taxes: Taxes {
                platform: TaxCategory::Standard,
                jlis_fees: TaxCategory::Standard,
                shared_costs: TaxCategory::Standard,
            },
        };
        let new = NewEstimate {
            period: Some(period),
            volumes: volumes.clone(),
            campaign: None,
            max_age_seconds: None,
            plan: None,
        };
        prop_assert_eq!(new.fault(period), None);
        let estimated = terms.bill_of(period, &new.groups(period, None), Rounding::Floor).unwrap();
        let mut metered: Vec<UsageGroup> = volumes
            .iter()
            .flat_map(|volume| (0..volume.quantity).map(|number| operation(volume, number, period)))
            .map(|one| UsageGroup {
                month: one.month,
                priced_on: one.priced_on,
                meter: one.meter,
                purpose: one.purpose.unwrap(),
                kind: one.kind.unwrap(),
                channel: one.channel,
                quantity: 1,
            })
            .collect();
        let turn = usize::try_from(seed % 97).unwrap() % metered.len();
        metered.rotate_left(turn);
        metered.reverse();
        let invoiced = terms.bill_of(period, &metered, Rounding::Floor).unwrap();
        prop_assert_eq!(&estimated, &invoiced);
        let sum: i64 = estimated.lines.iter().map(|line| line.amount.0).sum();
        prop_assert_eq!(estimated.totals.subtotal.0, sum);
    }
}

#[test]
fn f077_what_cannot_be_meant_is_named() {
    let period: BillingMonth = "2026-11".parse().unwrap();
    let read = |text: &str| serde_json::from_str::<NewEstimate>(text).unwrap();
    let pointer = |text: &str| read(text).fault(period).map(|(pointer, ..)| pointer);
    let volume = |more: &str| {
        format!(
            "{{\"volumes\":[{{\"purpose\":\"authentication\",\"kind\":\"card_authentication\",{more}}}]}}"
        )
    };
    assert_eq!(pointer("{}").unwrap(), "/volumes");
    for quantity in ["0", "-1", "1000000000001", "9223372036854775807"] {
        let told = pointer(&volume(&format!("\"quantity\":{quantity}")));
        assert_eq!(told.unwrap(), "/volumes/0/quantity", "{quantity}");
    }
    assert_eq!(pointer(&volume("\"quantity\":1000000000000")), None);
    let day = volume("\"quantity\":1,\"day\":\"2026-12-01\"");
    assert_eq!(pointer(&day).unwrap(), "/volumes/0/day");
    let kind = "{\"volumes\":[{\"purpose\":\"authentication\",\"kind\":\"card_signature\",\"quantity\":1}]}";
    assert_eq!(pointer(kind).unwrap(), "/volumes/0/kind");
    let campaign = |certificates: &str, times: &str| {
        format!(
            "{{\"campaign\":{{\"kind\":\"card_signature\",\"certificates\":{certificates},\"times\":{times}}}}}"
        )
    };
    assert_eq!(
        pointer(&campaign("0", "1")).unwrap(),
        "/campaign/certificates"
    );
    for (certificates, times) in [
        ("1", "0"),
        ("1000000000000", "2"),
        ("9", "9223372036854775807"),
    ] {
        assert_eq!(
            pointer(&campaign(certificates, times)).unwrap(),
            "/campaign/times"
        );
    }
    assert!(
        serde_json::from_str::<NewEstimate>(&volume("\"quantity\":1.5")).is_err(),
        "no fractions"
    );
}

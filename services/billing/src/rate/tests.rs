mod graduated;

use proptest::prelude::*;

use super::*;
use crate::{
    account::PlanFrom,
    tariff::TariffRows,
    tax::{Rounding, Totals},
};

const EXTRA: &str = "
[[plans]]
plan = \"thrice\"
valid_from = \"2026-01-01\"
base_fee = 105
signature_verification = 105
authentication = 105
status_check = 105
[[plans]]
plan = \"standard\"
valid_from = \"2026-11-15\"
base_fee = 1
signature_verification = 80
authentication = 8
status_check = 4
[[plans]]
plan = \"beyond\"
valid_from = \"2026-01-01\"
base_fee = 0
signature_verification = 9223372036854775807
authentication = 0
status_check = 0
";

fn tariff() -> Tariff {
    Tariff::load(&toml::from_str::<TariffRows>(EXTRA).unwrap()).unwrap()
}

/// Rates one tenant's uses; it is active from the month's beginning if it owes a base fee.
fn rate(
    tariff: &Tariff,
    plan: &str,
    period: BillingMonth,
    active: bool,
    charges: Charges<'_>,
) -> Result<Vec<Line>, RatingError> {
    let account = Account {
        plans: vec![PlanFrom {
            from: NaiveDate::default(),
            plan: plan.to_owned(),
        }],
        activated_at: active.then(|| period.start()),
        ended_at: None,
    };
    let taxes = Taxes {
        platform: TaxCategory::Standard,
        jlis_fees: TaxCategory::Standard,
        shared_costs: TaxCategory::Standard,
    };
    let terms = Terms {
        tariff,
        account: &account,
        taxes,
    };
    terms.rate(period, charges)
}

fn uses(groups: &[UsageGroup]) -> Charges<'_> {
    Charges {
        groups,
        ..Charges::default()
    }
}

fn month(text: &str) -> BillingMonth {
    text.parse().unwrap()
}

fn group(day: u32, purpose: Purpose, quantity: i64) -> UsageGroup {
    let kind = match purpose {
        Purpose::Authentication => CertificateKind::CardAuthentication,
        Purpose::SignatureVerification | Purpose::StatusCheck => CertificateKind::CardSignature,
    };
    UsageGroup {
        month: month("2026-11"),
        priced_on: NaiveDate::from_ymd_opt(2026, 11, day).unwrap(),
        meter: match purpose {
            Purpose::StatusCheck => Meter::StatusCheck,
            Purpose::SignatureVerification | Purpose::Authentication => Meter::Verification,
        },
        purpose,
        kind,
        channel: Some(Channel::Crl),
        quantity,
    }
}

#[test]
fn three_lines_of_105_yen_give_31_yen_of_tax() {
    let tariff = tariff();
    let groups = [
        group(1, Purpose::SignatureVerification, 1),
        group(2, Purpose::Authentication, 1),
    ];
    let lines = rate(&tariff, "thrice", month("2026-11"), true, uses(&groups)).unwrap();
    let charged: Vec<_> = lines.iter().filter(|line| line.amount.0 > 0).collect();
    assert_eq!(charged.len(), 3);
    assert!(charged.iter().all(|line| line.amount == Yen(105)));
    let totals = Totals::of(
        lines
            .iter()
            .map(|line| (line.tax_rate_percent, line.amount)),
        Rounding::Floor,
    )
    .unwrap();
    assert_eq!(
        (totals.subtotal, totals.tax, totals.total),
        (Yen(315), Yen(31), Yen(346))
    );
}

#[test]
fn jlis_fees_stand_on_lines_of_their_own_even_at_zero() {
    let tariff = tariff();
    let groups = [group(1, Purpose::SignatureVerification, 3)];
    let lines = rate(&tariff, "standard", month("2026-11"), false, uses(&groups)).unwrap();
    let shape: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line.category,
                line.quantity,
                line.unit_price.0,
                line.amount.0,
            )
        })
        .collect();
    assert_eq!(
        shape,
        [
            (Category::PlatformUsage, 3, 100, 300),
            (Category::JlisFee, 3, 0, 0)
        ]
    );
    assert_eq!(lines[1].list_price, Some(Yen(20)));
    assert_eq!(
        lines[1].description_ja(),
        "署名検証 失効情報提供手数料（J-LIS）（署名用電子証明書・失効情報ファイル）2026年11月分"
    );
}

#[test]
fn a_price_that_changes_within_the_month_splits_the_line() {
    let tariff = tariff();
    let groups = [
        group(14, Purpose::StatusCheck, 2),
        group(15, Purpose::StatusCheck, 3),
        group(30, Purpose::StatusCheck, 4),
    ];
    let lines = rate(&tariff, "standard", month("2026-11"), false, uses(&groups)).unwrap();
    let usage: Vec<_> = lines
        .iter()
        .filter(|line| line.category == Category::PlatformUsage)
        .map(|line| (line.quantity, line.unit_price.0, line.counted.unwrap().days))
        .collect();
    let day = |day| NaiveDate::from_ymd_opt(2026, 11, day).unwrap();
    assert_eq!(
        usage,
        [(2, 5, (day(14), day(14))), (7, 4, (day(15), day(30)))]
    );
}

#[test]
fn f076_uses_of_a_closed_month_are_adjustments_at_their_own_tariff() {
    let tariff = tariff();
    let lines = rate(
        &tariff,
        "standard",
        month("2026-12"),
        true,
        uses(&[group(10, Purpose::SignatureVerification, 1)]),
    )
    .unwrap();
    assert_eq!(lines[0].category, Category::PlatformBase);
    assert_eq!(lines[0].amount, Yen(1), "December's own base fee");
    assert_eq!(lines[1].category, Category::Adjustment);
    assert_eq!(lines[1].service_month, month("2026-11"));
    assert_eq!(lines[1].unit_price, Yen(100), "November's price");
    assert!(lines[1].description_ja().ends_with("2026年11月分の調整"));
    assert_eq!(lines[2].category, Category::Adjustment);
    assert_eq!(lines[2].charged_for, ChargedFor::Jlis);
}

#[test]
fn f077_amounts_and_quantities_that_do_not_fit_are_an_error() {
    let tariff = tariff();
    let rate =
        |plan, groups: &[UsageGroup]| rate(&tariff, plan, month("2026-11"), false, uses(groups));
    let used = |quantity| group(1, Purpose::SignatureVerification, quantity);
    assert!(rate("beyond", &[used(1)]).is_ok());
    assert_eq!(
        rate("beyond", &[used(2)]),
        Err(RatingError::Money(MoneyError))
    );
    assert_eq!(
        rate("standard", &[used(i64::MAX), used(1)]),
        Err(RatingError::Money(MoneyError))
    );
    assert_eq!(
        rate("standard", &[used(1_000_000_000_000)]).unwrap()[0].amount,
        Yen(100_000_000_000_000)
    );
}

#[test]
fn what_has_no_tariff_row_is_named_and_not_guessed() {
    let tariff = tariff();
    let mut ocsp = group(1, Purpose::StatusCheck, 1);
    ocsp.channel = Some(Channel::Ocsp);
    let refused = rate(&tariff, "standard", month("2026-11"), false, uses(&[ocsp]));
    assert!(
        matches!(refused, Err(RatingError::MissingTariff(missing)) if missing.what == "J-LIS fee ocsp/card_signature/status_check")
    );
}

fn any_group() -> impl Strategy<Value = UsageGroup> {
    (
        1_u32..=30,
        prop::sample::select(Purpose::ALL.to_vec()),
        1_i64..1_000_000,
        any::<bool>(),
    )
        .prop_map(|(day, purpose, quantity, with_channel)| UsageGroup {
            channel: with_channel.then_some(Channel::Crl),
            ..group(day, purpose, quantity)
        })
}

proptest! {
    #[test]
    fn lines_do_not_depend_on_order_and_add_up(
        (groups, shuffled) in prop::collection::vec(any_group(), 0..30)
            .prop_flat_map(|groups| (Just(groups.clone()), Just(groups).prop_shuffle())),
    ) {
        let tariff = tariff();
        let rate = |groups: &[UsageGroup]| rate(&tariff, "standard", month("2026-11"), true, uses(groups)).unwrap();
        let lines = rate(&groups);
        prop_assert_eq!(&lines, &rate(&shuffled));
        // Each use priced alone, in another way than the lines are made.
        let mut expected = 50_000_i64;
        for group in &groups {
            let late = group.priced_on.to_string().as_str() >= "2026-11-15";
            expected += group.quantity * match (group.purpose, late) {
                (Purpose::SignatureVerification, false) => 100,
                (Purpose::SignatureVerification, true) => 80,
                (Purpose::Authentication, false) => 10,
                (Purpose::Authentication, true) => 8,
                (Purpose::StatusCheck, false) => 5,
                (Purpose::StatusCheck, true) => 4,
            };
        }
        let totals = Totals::of(lines.iter().map(|line| (line.tax_rate_percent, line.amount)), Rounding::Floor).unwrap();
        prop_assert_eq!(totals.subtotal.0, expected);
        prop_assert_eq!(totals.total.0, expected + expected / 10);
        let counted: i64 = lines.iter().filter(|line| line.category == Category::PlatformUsage).map(|line| line.quantity).sum();
        prop_assert_eq!(counted, groups.iter().map(|group| group.quantity).sum::<i64>());
    }
}

//! Included uses, tiers, minimums, and plans that change.

use proptest::prelude::*;

use super::*;

const LARGE: &str = "
[[plans]]
plan = \"large\"
valid_from = \"2026-01-01\"
base_fee = 1000
minimum = 500
signature_verification = { included = 10, price = 50, tiers = [{ above = 30, price = 40 }] }
authentication = 1
status_check = 1
";

fn large() -> Tariff {
    Tariff::load(&toml::from_str::<TariffRows>(LARGE).unwrap()).unwrap()
}

fn amounts(lines: &[Line], category: Category) -> Vec<(i64, i64, i64)> {
    lines
        .iter()
        .filter(|line| line.category == category && line.charged_for == ChargedFor::Operator)
        .map(|line| {
            let skip = line.counted.map_or(0, |counted| counted.skip);
            (skip, line.quantity, line.unit_price.0)
        })
        .collect()
}

#[test]
fn included_uses_and_tiers_make_a_line_each_and_part_the_records() {
    let groups = [
        group(3, Purpose::SignatureVerification, 25),
        group(1, Purpose::SignatureVerification, 8),
        group(9, Purpose::SignatureVerification, 7),
    ];
    let lines = rate(&large(), "large", month("2026-11"), true, uses(&groups)).unwrap();
    assert_eq!(
        amounts(&lines, Category::PlatformUsage),
        [(0, 10, 0), (10, 20, 50), (30, 10, 40)]
    );
    let days: Vec<_> = lines
        .iter()
        .filter_map(|line| line.counted)
        .map(|counted| counted.days)
        .collect();
    assert!(
        days.iter().all(|one| one == &days[0]),
        "lines of one sort share their days: {days:?}"
    );
    assert_eq!(
        amounts(&lines, Category::MinimumCharge),
        [],
        "1,400 yen are more than the minimum"
    );
}

#[test]
fn f076_late_uses_take_the_places_after_those_already_billed() {
    let billed = [group(5, Purpose::SignatureVerification, 28)];
    let late = [group(1, Purpose::SignatureVerification, 5)];
    let charges = Charges {
        groups: &late,
        earlier: &billed,
        shares: &[],
    };
    let lines = rate(&large(), "large", month("2026-12"), false, charges).unwrap();
    assert_eq!(
        amounts(&lines, Category::Adjustment),
        [(0, 2, 50), (2, 3, 40)],
        "the 29th to 33rd use of November"
    );
}

#[test]
fn a_minimum_is_topped_up_and_given_back_as_late_uses_come() {
    let tariff = large();
    let billed = [group(5, Purpose::SignatureVerification, 14)];
    let period = month("2026-11");
    let november = rate(&tariff, "large", period, true, uses(&billed)).unwrap();
    assert_eq!(
        amounts(&november, Category::MinimumCharge),
        [(0, 1, 300)],
        "4 x 50 yen of 500"
    );
    // Late: 250 yen more, so 250 of the 300 are no longer missing.
    let late = [group(6, Purpose::SignatureVerification, 5)];
    let account = Account {
        plans: vec![PlanFrom {
            from: NaiveDate::default(),
            plan: "large".to_owned(),
        }],
        activated_at: Some(period.start()),
        ended_at: None,
    };
    let taxes = Taxes {
        platform: TaxCategory::Standard,
        jlis_fees: TaxCategory::Standard,
        shared_costs: TaxCategory::Standard,
    };
    let terms = Terms {
        tariff: &tariff,
        account: &account,
        taxes,
    };
    let charges = Charges {
        groups: &late,
        earlier: &billed,
        shares: &[],
    };
    let december = terms.rate(month("2026-12"), charges).unwrap();
    assert_eq!(
        amounts(&december, Category::Adjustment),
        [(0, 5, 50), (0, 1, -250)]
    );
    assert_eq!(
        amounts(&december, Category::MinimumCharge),
        [(0, 1, 500)],
        "December's own"
    );
    assert!(
        december.iter().any(|line| line.description_ja()
            == "最低利用料金との差額（プラン large）2026年11月分の調整")
    );
}

#[test]
fn f076_a_change_of_plan_splits_the_month_at_its_day() {
    let tariff = large();
    let account = Account {
        plans: [
            ("2026-01-01", "standard"),
            ("2026-11-10", "free"),
            ("2026-11-20", "standard"),
        ]
        .map(|(from, plan)| PlanFrom {
            from: from.parse().unwrap(),
            plan: plan.to_owned(),
        })
        .to_vec(),
        ..Account::default()
    };
    let taxes = Taxes {
        platform: TaxCategory::Standard,
        jlis_fees: TaxCategory::OutOfScope,
        shared_costs: TaxCategory::Standard,
    };
    let terms = Terms {
        tariff: &tariff,
        account: &account,
        taxes,
    };
    let groups = [9, 10, 19, 20].map(|day| group(day, Purpose::StatusCheck, 1));
    let lines = terms.rate(month("2026-11"), uses(&groups)).unwrap();
    let charged: Vec<_> = lines
        .iter()
        .filter(|line| line.charged_for == ChargedFor::Operator)
        .map(|line| {
            let (first, last) = line.counted.unwrap().days;
            (
                line.plan.as_deref().unwrap(),
                line.unit_price.0,
                first.to_string(),
                last.to_string(),
            )
        })
        .collect();
    let day = |day: &str| format!("2026-11-{day}");
    assert_eq!(
        charged,
        [
            ("standard", 5, day("09"), day("09")),
            ("free", 0, day("10"), day("19")),
            ("standard", 5, day("20"), day("20")),
        ]
    );
}

proptest! {
    #[test]
    fn graduated_prices_add_up_to_each_use_priced_alone(
        quantities in prop::collection::vec((1_u32..=30, 1_i64..40), 0..20),
        already in 0_i64..60,
    ) {
        let tariff = large();
        let late: Vec<_> = quantities
            .iter()
            .map(|(day, quantity)| group(*day, Purpose::SignatureVerification, *quantity))
            .collect();
        let billed = if already > 0 { vec![group(1, Purpose::SignatureVerification, already)] } else { Vec::new() };
        let charges = Charges { groups: &late, earlier: &billed, shares: &[] };
        let lines = rate(&tariff, "large", month("2026-12"), false, charges).unwrap();
        let total: i64 = quantities.iter().map(|(_, quantity)| quantity).sum();
        let expected: i64 = (already..already + total)
            .map(|before| match before { 0..10 => 0, 10..30 => 50, _ => 40 })
            .sum();
        let charged: i64 = lines.iter().map(|line| line.amount.0).sum();
        prop_assert_eq!(charged, expected);
        // The records are parted without a gap.
        let mut end = 0;
        for line in lines.iter().filter(|line| line.charged_for == ChargedFor::Operator) {
            prop_assert_eq!(line.counted.unwrap().skip, end);
            end += line.quantity;
        }
        prop_assert_eq!(end, total);
    }
}

use super::*;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn rows(text: &str) -> TariffRows {
    toml::from_str(text).unwrap()
}

const SIGNATURE: CertificateKind = CertificateKind::CardSignature;

#[test]
fn the_list_channel_is_free_for_good_and_shows_what_it_would_cost() {
    let tariff = Tariff::load(&TariffRows::default()).unwrap();
    for (kind, purpose, list) in [
        (SIGNATURE, Purpose::SignatureVerification, 20),
        (SIGNATURE, Purpose::StatusCheck, 20),
        (
            CertificateKind::PhoneAuthentication,
            Purpose::Authentication,
            2,
        ),
        (CertificateKind::CardAuthentication, Purpose::StatusCheck, 2),
    ] {
        for on in ["2023-01-01", "2026-11-21", "2099-12-31"] {
            let price = tariff
                .jlis_fee(Channel::Crl, kind, purpose, day(on))
                .unwrap();
            assert_eq!((price.unit, price.list), (Yen::ZERO, Some(Yen(list))));
        }
    }
}

#[test]
fn what_is_not_known_has_no_price() {
    let tariff = Tariff::load(&TariffRows::default()).unwrap();
    let ocsp = |on| tariff.jlis_fee(Channel::Ocsp, SIGNATURE, Purpose::StatusCheck, day(on));
    assert_eq!(ocsp("2025-12-31").unwrap().unit, Yen::ZERO);
    let missing = ocsp("2026-01-01").unwrap_err();
    assert_eq!(missing.on, day("2026-01-01"));
    assert_eq!(
        missing.to_string(),
        "no tariff row for J-LIS fee ocsp/card_signature/status_check holds on 2026-01-01; \
         enter one in the configuration `billing.tariff`"
    );
    assert!(ocsp("2022-12-31").is_err(), "before the table begins");
    assert!(
        tariff
            .per_use("gold", Purpose::StatusCheck, day("2026-01-01"))
            .is_err()
    );
    // A signature certificate does not authenticate: no such fee exists.
    assert!(
        tariff
            .jlis_fee(
                Channel::Crl,
                SIGNATURE,
                Purpose::Authentication,
                day("2026-01-01")
            )
            .is_err()
    );
}

#[test]
fn a_configured_row_follows_and_the_past_does_not_move() {
    let tariff = Tariff::load(&rows(
        "[[jlis_fees]]\nvalid_from = \"2026-01-01\"\nchannel = \"ocsp\"\nkinds = [\"card_signature\"]\n\
         purposes = [\"status_check\"]\nunit_price = 7\n\
         [[plans]]\nplan = \"standard\"\nvalid_from = \"2026-12-01\"\nbase_fee = 60000\n\
         signature_verification = 90\nauthentication = 9\nstatus_check = 4\n",
    ))
    .unwrap();
    let ocsp = |on| tariff.jlis_fee(Channel::Ocsp, SIGNATURE, Purpose::StatusCheck, day(on));
    assert_eq!(ocsp("2025-12-31").unwrap().unit, Yen::ZERO);
    assert_eq!(ocsp("2026-01-01").unwrap().unit, Yen(7));
    let base = |on| tariff.base_fee("standard", day(on)).unwrap().unit;
    assert_eq!(base("2026-11-30"), Yen(50_000));
    assert_eq!(base("2026-12-01"), Yen(60_000));
}

#[test]
fn contradictions_and_impossible_rows_are_refused() {
    let plan = |from: &str, until: &str, base: i64| {
        rows(&format!(
            "[[plans]]\nplan = \"standard\"\nvalid_from = \"{from}\"\n{until}\nbase_fee = {base}\n\
             signature_verification = 1\nauthentication = 1\nstatus_check = 1\n"
        ))
    };
    let load = |rows| Tariff::load(&rows);
    assert!(matches!(
        load(plan("2023-01-01", "", 1)),
        Err(TariffError::Twice { .. })
    ));
    assert!(matches!(
        load(plan("2027-01-01", "", -1)),
        Err(TariffError::Row { .. })
    ));
    assert!(matches!(
        load(plan("2027-01-01", "valid_until = \"2027-01-01\"", 1)),
        Err(TariffError::Row { .. })
    ));
    assert!(toml::from_str::<TariffRows>("[[plans]]\nplan = \"x\"\n").is_err());
    assert!(toml::from_str::<TariffRows>("[[fees]]\n").is_err());
}

#[test]
fn a_row_that_ended_does_not_bring_the_one_before_back() {
    let tariff = Tariff::load(&rows(
        "[[plans]]\nplan = \"standard\"\nvalid_from = \"2026-11-10\"\nvalid_until = \"2026-11-20\"\nbase_fee = 1\n\
         signature_verification = 1\nauthentication = 1\nstatus_check = 1\n",
    ))
    .unwrap();
    let price = |on| tariff.per_use("standard", Purpose::StatusCheck, day(on));
    assert_eq!(price("2026-11-09").unwrap().after(0).unit, Yen(5));
    assert_eq!(price("2026-11-19").unwrap().after(0).unit, Yen(1));
    assert!(price("2026-11-20").is_err());
}

#[test]
fn included_uses_and_tiers_are_steps_that_ascend() {
    let plan = |price: &str| {
        rows(&format!(
            "[[plans]]\nplan = \"large\"\nvalid_from = \"2026-01-01\"\nbase_fee = 1\n\
             signature_verification = {price}\nauthentication = 1\nstatus_check = 1\n"
        ))
    };
    let graduated = "{ included = 100, price = 50, tiers = [{ above = 1000, price = 40 }] }";
    let tariff = Tariff::load(&plan(graduated)).unwrap();
    let on = day("2026-11-01");
    let price = tariff
        .per_use("large", Purpose::SignatureVerification, on)
        .unwrap();
    let at = |before| {
        let stretch = price.after(before);
        (stretch.step, stretch.unit.0, stretch.room)
    };
    assert_eq!(at(0), (0, 0, 100));
    assert_eq!(at(99), (0, 0, 1));
    assert_eq!(at(100), (1, 50, 900));
    assert_eq!(at(1_000), (2, 40, i64::MAX - 1_000));
    for refused in [
        "{ included = -1, price = 50 }",
        "{ price = 50, tiers = [{ above = 0, price = 40 }] }",
        "{ included = 10, price = 50, tiers = [{ above = 10, price = 40 }] }",
        "{ price = 50, tiers = [{ above = 9, price = 40 }, { above = 8, price = 30 }] }",
        "{ price = 50, tiers = [{ above = 9, price = -1 }] }",
    ] {
        let loaded = Tariff::load(&plan(refused));
        assert!(matches!(loaded, Err(TariffError::Row { .. })), "{refused}");
    }
}

#[test]
fn the_sharing_key_is_dated_and_has_weight() {
    let key = |from: &str, equal, usage| {
        rows(&format!(
            "[[sharing_keys]]\nvalid_from = \"{from}\"\nequal = {equal}\nusage = {usage}\n"
        ))
    };
    let tariff = Tariff::load(&key("2027-04-01", 30, 70)).unwrap();
    let weights = |on| {
        let key = tariff.sharing_key(day(on)).unwrap();
        (key.equal, key.usage)
    };
    assert_eq!(weights("2027-03-31"), (50, 50));
    assert_eq!(weights("2027-04-01"), (30, 70));
    let weightless = Tariff::load(&key("2027-04-01", 0, 0));
    assert!(matches!(weightless, Err(TariffError::Row { .. })));
    let again = Tariff::load(&key("2023-01-01", 1, 1));
    assert!(matches!(again, Err(TariffError::Twice { .. })));
}

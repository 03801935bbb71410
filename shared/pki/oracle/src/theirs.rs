//! The verdict of certval, from its own path builder to its own reading of the lists, with nothing fetched.

use std::panic::{AssertUnwindSafe, catch_unwind};

use certval::{
    CertFile, CertSource, CertVector, CertificationPathResults, CertificationPathSettings,
    MemoryCrlSource, PkiEnvironment, TaSource, TimeOfInterest, check_revocation_local, parse_cert,
};

use crate::cases::Case;

/// `Err` has certval's own words; of several paths, those of the last.
pub fn judge(case: &Case) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| validate(case))).unwrap_or_else(|_| Err("panicked".to_owned()))
}

fn settings(case: &Case) -> CertificationPathSettings {
    let mut settings = CertificationPathSettings::new();
    let at = u64::try_from(case.at.unix()).expect("the cases are after 1970");
    settings.set_time_of_interest(TimeOfInterest::from_unix_secs(at).expect("and before 10000"));
    settings.set_initial_policy_set(case.inputs.policies.clone());
    settings.set_initial_explicit_policy_indicator(case.inputs.explicit_policy);
    settings.set_initial_policy_mapping_inhibit_indicator(case.inputs.inhibit_mapping);
    settings.set_initial_inhibit_any_policy_indicator(case.inputs.inhibit_any);
    // An anchor is its name and key, as it is for this engine.
    settings.set_enforce_trust_anchor_validity(false);
    settings.set_check_revocation_status(case.revocation);
    settings
}

fn file(place: usize, der: &[u8]) -> CertFile {
    CertFile {
        filename: place.to_string(),
        bytes: der.to_vec(),
    }
}

fn environment(
    case: &Case,
    settings: &CertificationPathSettings,
) -> Result<PkiEnvironment, String> {
    let mut environment = PkiEnvironment::new();
    environment.populate_5280_pki_environment();
    let mut anchors = TaSource::new();
    for (place, der) in case.anchors.iter().enumerate() {
        anchors.push(file(place, der));
    }
    anchors
        .initialize()
        .map_err(|error| format!("anchors: {error:?}"))?;
    environment.add_trust_anchor_source(Box::new(anchors));
    let mut authorities = CertSource::new();
    for (place, der) in case.intermediates.iter().enumerate() {
        authorities.push(file(place, der));
    }
    authorities
        .initialize(settings)
        .map_err(|error| format!("intermediates: {error:?}"))?;
    authorities.find_all_partial_paths(&environment, settings);
    environment.add_certificate_source(Box::new(authorities));
    let lists = MemoryCrlSource::new();
    for der in &case.crls {
        // What certval cannot read it does not use, so there is nothing to do about the answer.
        lists.add(der);
    }
    environment.add_crl_source(Box::new(lists));
    Ok(environment)
}

fn validate(case: &Case) -> Result<(), String> {
    let settings = settings(case);
    let environment = environment(case, &settings)?;
    let target =
        parse_cert(&case.target, "target").map_err(|error| format!("target: {error:?}"))?;
    let mut paths = Vec::new();
    environment
        .get_paths_for_target(&target, &mut paths, 0, settings.get_time_of_interest())
        .map_err(|error| format!("paths: {error:?}"))?;
    let mut verdict = Err("no path".to_owned());
    for path in &paths {
        let mut results = CertificationPathResults::new();
        verdict = environment
            .validate_path(&environment, &settings, path, &mut results)
            .and_then(|()| check_revocation_local(&environment, &settings, path, &mut results))
            .map_err(|error| format!("{error:?}"));
        if verdict.is_ok() {
            break;
        }
    }
    verdict
}

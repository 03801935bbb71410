//! The written list of who listens to what is the one that is true.

use std::{collections::BTreeSet, net::SocketAddr};

use warikan::{compose, config::Config};
use warikan_contracts::SUBSCRIPTIONS;

use crate::nothing_wrong;

#[actix_web::test]
async fn every_consumer_is_on_the_list_of_subscriptions_and_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    let config = Config {
        data_dir: directory.path().to_owned(),
        ..Config::default()
    };
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let house = compose::open(&config, compose::clocks(), nowhere)
        .await
        .expect("the house opens");
    let pairs = |consumer: &str, types: &[&str]| -> Vec<String> {
        let pair = |fact_type| format!("{consumer} listens to {fact_type}");
        types.iter().map(pair).collect()
    };
    let real: BTreeSet<String> = house
        .modules
        .iter()
        .flat_map(|module| &module.consumers)
        .flat_map(|consumer| pairs(consumer.name, consumer.types))
        .collect();
    let written: BTreeSet<String> = SUBSCRIPTIONS
        .iter()
        .flat_map(|subscription| pairs(subscription.consumer, subscription.types))
        .collect();
    let missing = real
        .difference(&written)
        .map(|it| format!("{it}, but is not written"));
    let wrong = written
        .difference(&real)
        .map(|it| format!("{it}, it is written, but it does not"));
    nothing_wrong(
        "A publisher must know who listens: mend SUBSCRIPTIONS in shared/contracts.",
        &missing.chain(wrong).collect::<Vec<_>>(),
    );
}

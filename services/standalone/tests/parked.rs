//! An operator lists what was parked and has it delivered again.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

use warikan::{
    bus_command::{self, BusCommand},
    compose,
    config::Config,
};
use warikan_contracts::{
    Envelope,
    facts::{TenantChanged, TenantState},
};
use warikan_types::{Clock, Entropy};

async fn run(config: &Config, command: BusCommand) -> (bool, String) {
    let mut out = Vec::new();
    let found = bus_command::run(config, &command, &mut out).await.unwrap();
    (found, String::from_utf8(out).unwrap())
}

fn parked(consumer: Option<&str>) -> BusCommand {
    BusCommand::Parked {
        consumer: consumer.map(str::to_owned),
    }
}

fn replay(event: Option<String>, consumer: Option<&str>) -> BusCommand {
    BusCommand::Replay {
        all: event.is_none(),
        event,
        consumer: consumer.map(str::to_owned),
    }
}

#[actix_web::test]
async fn f083_an_operator_lists_and_replays_beside_a_running_server() {
    let directory = tempfile::tempdir().unwrap();
    let config = Config {
        data_dir: directory.path().to_owned(),
        ..Config::default()
    };
    let (found, said) = run(&config, parked(None)).await;
    assert!(found, "nothing is there yet, and that is no failure");
    assert_eq!(said, "0 parked\n");

    // The server holds its data directory all the while.
    let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let house = compose::open(&config, compose::clocks(), nowhere)
        .await
        .unwrap();
    let consumers: Vec<_> = house
        .modules
        .iter()
        .flat_map(|module| module.consumers.iter().cloned())
        .collect();
    house.platform.bus.connect(consumers.clone());
    let named = |name| {
        let mut all = consumers.iter();
        all.find(|consumer| consumer.name == name).unwrap()
    };
    let (clock, entropy) = (Clock::system(), Entropy::system());
    let now = clock.now();
    let fact = TenantChanged {
        tenant: entropy.id(now),
        name: "割勘証券株式会社".to_owned(),
        plan: "standard".to_owned(),
        state: TenantState::Active,
        revision: 1,
    };
    let envelope = Envelope::of(entropy.id(now), None, now, fact.tenant.to_string(), &fact);
    let (recipients, tenants) = ("billing.recipients", "webhooks.tenants");
    let locked = named(recipients).park(&envelope, "the table was locked");
    locked.await.unwrap();
    let full = named(tenants).park(&envelope, "the disk was full");
    full.await.unwrap();

    let (_, said) = run(&config, parked(None)).await;
    assert!(said.ends_with("2 parked\n"), "{said}");
    let (_, said) = run(&config, parked(Some(recipients))).await;
    let id = envelope.id.to_string();
    for word in [
        recipients,
        &id,
        "tenant.changed v1",
        "the table was locked",
        "1 parked",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }

    let stranger = entropy.id::<warikan_types::Event>(now).to_string();
    assert!(!run(&config, replay(Some(stranger), None)).await.0);
    let nonsense = replay(Some("x".to_owned()), None);
    let mut nowhere = Vec::new();
    let refused = bus_command::run(&config, &nonsense, &mut nowhere).await;
    assert!(refused.is_err());

    let to_be_replayed = (true, "1 to be replayed\n".to_owned());
    let one = replay(Some(id), Some(recipients));
    assert_eq!(run(&config, one).await, to_be_replayed);
    let (_, said) = run(&config, parked(None)).await;
    assert!(said.contains("(replay requested)"), "{said}");
    assert_eq!(house.platform.bus.replay().await.unwrap(), 1);
    let (_, said) = run(&config, parked(None)).await;
    assert!(
        said.contains(tenants) && !said.contains(recipients),
        "{said}"
    );

    assert_eq!(run(&config, replay(None, None)).await, to_be_replayed);
    assert_eq!(house.platform.bus.replay().await.unwrap(), 1);
    assert_eq!(run(&config, parked(None)).await.1, "0 parked\n");
}

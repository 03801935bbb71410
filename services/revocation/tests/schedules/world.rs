//! The agency, the service in three processes, and the model beside them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    net::TcpListener,
    path::PathBuf,
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use sea_orm::ConnectionTrait;
use serde_json::json;
use warikan_contracts::{
    api::{CertificateStatus, StatusAnswer},
    facts::Channel,
};
use warikan_pki::{AnchorSet, examine, sha256};
use warikan_revocation::{Revocation, StatusReplica};
use warikan_runtime::Peer;
use warikan_simulator::{
    CertificateChoice, Genesis, Hierarchy, KeySource, LifeEvent, Municipality, PersonId,
    Publication, PublicationOptions, Simulator, fixtures,
};
use warikan_testkit::{App, TestHouse};
use warikan_types::{CertificateId, ClientScope, CrlPartition, Environment, TenantScope};

use crate::{
    CITIZENS, Damage, PARTITIONS, Step,
    model::{Arrived, Published, State, Version, is_of, list_of, states},
    process::{Process, open, torn},
};

pub const HERE: Environment = Environment::Production;

/// A certificate that is asked about.
struct Citizen {
    person: PersonId,
    certificate: CertificateId,
    point: Option<CrlPartition>,
    /// Which list is about it.
    partition: usize,
    handle: String,
}

pub struct World {
    house: TestHouse,
    anchors: Arc<AnchorSet>,
    agency: Simulator,
    keys: KeySource,
    tenant: TenantScope,
    citizens: Vec<Citizen>,
    publications: Vec<(Publication, Vec<Published>)>,
    /// What has arrived and was not looked at yet.
    arrived: Vec<Arrived>,
    files: usize,
    process: Option<Process>,
    /// Another process over the same database.
    other: Revocation,
    /// A process without a database, that follows; where it asks, and whether there is news for it.
    replica: StatusReplica,
    inner: TcpListener,
    news: bool,
    state: State,
    /// Every version that was ever in force, by its name.
    ever: HashMap<String, Version>,
    /// The highest number that each process has answered by, for each partition.
    highest: BTreeMap<(&'static str, usize), u64>,
    turns: usize,
}

impl World {
    pub async fn new() -> Self {
        let house = TestHouse::new();
        let mut keys = fixtures::key_source();
        let genesis = Genesis {
            municipalities: Municipality::defaults()
                .into_iter()
                .take(PARTITIONS)
                .collect(),
            ..Genesis::of(Hierarchy::Production)
        };
        let at = house.clock().now().utc();
        let mut agency = Simulator::genesis(genesis, &mut keys, at).unwrap();
        let roots = agency.roots().into_iter().map(|root| (HERE, root.der));
        let anchors = Arc::new(AnchorSet::new(roots).unwrap());
        for folder in ["dropped", "nothing"] {
            fs::create_dir(house.directory().join(folder)).unwrap();
        }
        let mut rng = house.platform.entropy.rng();
        let mut persons = Vec::new();
        let municipalities = agency.municipalities().to_vec();
        for municipality in municipalities.iter().cycle().take(CITIZENS) {
            let one = std::slice::from_ref(municipality);
            let person = agency.issue_population_in(one, 1, &mut rng, &mut keys, at);
            persons.extend(person.unwrap());
        }
        let inner = TcpListener::bind("127.0.0.1:0").unwrap();
        let process = Process::start(&house, &anchors, &inner).await;
        let other = open(&house, &anchors, "nothing").await;
        let base = format!("http://{}", inner.local_addr().unwrap());
        let peer = Peer::new("verification", "revocation", vec![base], &house.platform);
        let tenant = house.tenant(HERE);
        let mut world = Self {
            citizens: Vec::new(),
            publications: Vec::new(),
            arrived: Vec::new(),
            files: 0,
            process: Some(process),
            other,
            replica: StatusReplica::new(peer.unwrap()),
            inner,
            news: false,
            state: State::new(),
            ever: HashMap::new(),
            highest: BTreeMap::new(),
            turns: 0,
            house,
            anchors,
            agency,
            keys,
            tenant,
        };
        for person in persons {
            let citizen = world.watched(person).await;
            world.citizens.push(citizen);
        }
        world
    }

    async fn watched(&self, person: PersonId) -> Citizen {
        let card = self.agency.card(person).unwrap();
        let der = card.certificate(CertificateChoice::Signature).unwrap();
        let examined = examine(der, &self.anchors);
        let certificate = examined.path().unwrap().certificate_id().clone();
        let point = examined.certificate().unwrap().distribution_point();
        let records = self.agency.certificates_of(person);
        let mut own = records.filter(|one| one.choice == CertificateChoice::Signature);
        let name = own.next().unwrap().partition.clone();
        let mut names = self.agency.municipalities().iter();
        let partition = names.position(|one| one.partition() == name).unwrap();
        let body = json!({"certificate": STANDARD.encode(der)});
        let reply = self.app().post("/v1/watches", &self.token(), &body).await;
        let handle = reply.expect(201)["certificate_handle"].as_str().unwrap();
        Citizen {
            person,
            certificate,
            point,
            partition,
            handle: handle.to_owned(),
        }
    }

    fn app(&self) -> &App {
        &self.process.as_ref().unwrap().app
    }

    fn service(&self) -> &Revocation {
        &self.process.as_ref().unwrap().service
    }

    fn token(&self) -> String {
        self.house.token(self.tenant, &[ClientScope::Watches])
    }

    pub async fn take(&mut self, step: &Step) {
        match step {
            Step::Happen(citizen, event) => self.happen(*citizen, event),
            Step::Publish { delta_from } => self.publish(*delta_from),
            Step::Deliver {
                publication,
                partitions,
                damage,
            } => self.deliver(*publication, partitions, *damage),
            Step::Sync => {
                self.service().sync(HERE).await.unwrap();
                let end = states(&self.state, &self.arrived).pop().unwrap();
                self.came_into_force(end);
            }
            Step::KilledAt(polls) => {
                let service = self.service().clone();
                torn(service.sync(HERE), *polls).await;
                drop(service);
                self.restart().await;
                self.as_after_some_of_the_files().await;
            }
            Step::Restart => self.restart().await,
            Step::Hours(hours) => {
                let by = std::time::Duration::from_secs(hours * 3_600);
                self.house.clock().advance(by).unwrap();
            }
            Step::OtherLooks => self.other.sync(HERE).await.unwrap(),
            // Before anything is in force nobody has news, and the question would wait for them.
            Step::ReplicaAsks if self.state.is_empty() => {}
            Step::ReplicaAsks => self.ask_for_news().await,
        }
    }

    fn happen(&mut self, citizen: usize, event: &LifeEvent) {
        let at = self.house.clock().now().utc();
        let person = self.citizens[citizen].person;
        // A hold may become a loss; whose certificates are over has no events.
        let _ = self.agency.apply(person, event, &mut self.keys, at);
    }

    /// When the agency revoked the citizen's certificate.
    fn revoked_at(&self, citizen: usize) -> Option<DateTime<Utc>> {
        let one = &self.citizens[citizen];
        let serial = one.certificate.serial.as_u64();
        let mut records = self.agency.certificates_of(one.person);
        let record = records.find(|record| {
            record.choice == CertificateChoice::Signature && Some(record.serial) == serial
        });
        record.and_then(|record| record.revocation).map(|it| it.at)
    }

    fn publish(&mut self, delta_from: Option<usize>) {
        let at = self.house.clock().now().utc();
        let options = PublicationOptions::default();
        let base = delta_from.and_then(|back| self.nth_newest(back));
        let publication = match base {
            Some(base) => {
                let base = self.publications[base].0.clone();
                self.agency.publish_delta(at, options, &base).unwrap()
            }
            None => self.agency.publish_with(at, options).unwrap(),
        };
        let published = (0..PARTITIONS)
            .map(|partition| self.in_the_models_words(&publication, partition, base))
            .collect();
        self.publications.push((publication, published));
    }

    /// The place of a publication that lies so far back.
    fn nth_newest(&self, back: usize) -> Option<usize> {
        self.publications
            .len()
            .checked_sub(1 + back % self.publications.len().max(1))
    }

    fn in_the_models_words(
        &self,
        publication: &Publication,
        partition: usize,
        base: Option<usize>,
    ) -> Published {
        let list = list_of(&self.agency, publication, partition);
        let base_at = base.map(|base| self.publications[base].0.at);
        let named = (0..CITIZENS).filter(|citizen| {
            let at = self.revoked_at(*citizen);
            self.citizens[*citizen].partition == partition
                && at.is_some_and(|at| base_at.is_none_or(|base| base < at))
        });
        Published {
            partition,
            number: list.number,
            base: base.map(|base| self.publications[base].1[partition].number),
            version: hex::encode(sha256(&list.der)),
            this_update: list.this_update.timestamp(),
            next_update: list.next_update.timestamp(),
            named: named.collect(),
        }
    }

    fn deliver(&mut self, back: usize, partitions: &[bool; PARTITIONS], damage: Damage) {
        let Some(publication) = self.nth_newest(back) else {
            return;
        };
        let wanted = (0..PARTITIONS).filter(|partition| partitions[*partition]);
        for partition in wanted.collect::<Vec<_>>() {
            let (publication, published) = &self.publications[publication];
            let mut octets = list_of(&self.agency, publication, partition).der.clone();
            let place = |part: u8| octets.len() * usize::from(part) / 256;
            match damage {
                Damage::None => {}
                Damage::Flipped(part) => {
                    let place = place(part);
                    octets[place] ^= 1;
                }
                Damage::Cut(part) => octets.truncate(place(part)),
            }
            let list = (damage == Damage::None).then(|| published[partition].clone());
            self.files += 1;
            let name = format!("{:06}.crl", self.files);
            let folder = self.folder();
            fs::write(folder.join("written"), octets).unwrap();
            fs::rename(folder.join("written"), folder.join(&name)).unwrap();
            self.arrived.push(Arrived { name, list });
        }
    }

    fn folder(&self) -> PathBuf {
        self.house.directory().join("dropped")
    }

    /// The model moves on; what has been looked at is no longer in the folder.
    fn came_into_force(&mut self, state: State) {
        self.news |= state != self.state;
        for version in state.values() {
            let known = self.ever.insert(version.version.clone(), version.clone());
            assert!(
                known.is_none_or(|known| known == *version),
                "one name, one version"
            );
        }
        self.state = state;
        let folder = self.folder();
        self.arrived.retain(|file| folder.join(&file.name).exists());
    }

    async fn restart(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop().await;
        }
        // What the dead process had sent to the database is over when its lock can be had.
        let db = self.house.database("revocation").await;
        let sql = "UPDATE crl_change SET change = change";
        db.execute_unprepared(sql).await.unwrap();
        db.close().await.unwrap();
        let process = Process::start(&self.house, &self.anchors, &self.inner).await;
        self.process = Some(process);
        self.news = true;
    }

    /// A look that was torn off: what is in force is what some of the files lead to, one after the other.
    async fn as_after_some_of_the_files(&mut self) {
        let mut found = BTreeMap::new();
        for citizen in &self.citizens {
            if let Some(answer) = ask(self.service().status().as_ref(), citizen).await {
                found.insert(citizen.partition, answer.version);
            }
        }
        let mut possible = states(&self.state, &self.arrived).into_iter();
        let state = possible.find(|state| {
            let versions = state.iter().map(|(key, one)| (*key, one.version.clone()));
            versions.collect::<BTreeMap<_, _>>() == found
        });
        self.came_into_force(state.expect("the version before or one after, and no mixture"));
    }

    async fn ask_for_news(&mut self) {
        if self.news && !self.state.is_empty() {
            self.replica.follow().await.unwrap();
            self.news = false;
        }
    }

    /// What must hold after every step.
    pub async fn holds(&mut self, step: &Step) {
        let service = self.service().status();
        let other = self.other.status();
        for (process, status, newest) in [
            ("service", service.as_ref(), true),
            ("other", other.as_ref(), matches!(step, Step::OtherLooks)),
            (
                "replica",
                &self.replica as &dyn CertificateStatus,
                matches!(step, Step::ReplicaAsks),
            ),
        ] {
            for (number, citizen) in self.citizens.iter().enumerate() {
                let answer = ask(status, citizen).await;
                let in_force = self.state.get(&citizen.partition);
                if newest {
                    let version = answer.as_ref().map(|answer| answer.version.as_str());
                    assert_eq!(
                        version,
                        in_force.map(|one| one.version.as_str()),
                        "{process}"
                    );
                }
                let Some(answer) = answer else { continue };
                let version = &self.ever[&answer.version];
                is_of(&answer, version, number);
                let key = (process, citizen.partition);
                let highest = self.highest.entry(key).or_default();
                assert!(version.number >= *highest, "{process} went back");
                *highest = version.number;
            }
        }
        self.turns += 1;
        self.tenants_are_told(self.turns % CITIZENS).await;
    }

    /// What a tenant is told of one certificate.
    async fn tenants_are_told(&self, number: usize) {
        let citizen = &self.citizens[number];
        let path = format!("/v1/certificates/{}/check", citizen.handle);
        let reply = self.app().post(&path, &self.token(), &json!({})).await;
        let now = self.house.clock().now().unix();
        match self.state.get(&citizen.partition) {
            None => {
                reply.expect_problem(503, "unavailable");
            }
            Some(version) => {
                let state = match version.revoked.contains(&number) {
                    true => "revoked",
                    false if now <= version.next_update => "good",
                    false => "unknown",
                };
                assert_eq!(reply.expect(200)["state"], state);
            }
        };
    }

    /// The next day's lists come whole, and everybody hears of them.
    pub async fn comes_to_rest(&mut self) {
        self.take(&Step::Hours(1)).await;
        self.take(&Step::Publish { delta_from: None }).await;
        let all = Step::Deliver {
            publication: 0,
            partitions: [true; PARTITIONS],
            damage: Damage::None,
        };
        for step in [all, Step::Sync, Step::OtherLooks, Step::ReplicaAsks] {
            self.take(&step).await;
            self.holds(&step).await;
        }
        self.app().run("revocation.sync").await;
        let revoked = (0..CITIZENS).filter(|one| self.revoked_at(*one).is_some());
        let revoked: BTreeSet<usize> = revoked.collect();
        let known = self.state.values().flat_map(|one| &one.revoked);
        assert_eq!(known.copied().collect::<BTreeSet<_>>(), revoked);
        for number in 0..CITIZENS {
            self.tenants_are_told(number).await;
        }
        let path = "/v1/watches?limit=500&state=flagged";
        let flagged = self.app().get(path, &self.token()).await;
        let flagged = flagged.expect(200)["data"].as_array().map(Vec::len);
        assert_eq!(flagged, Some(revoked.len()), "each of them was flagged");
        assert_eq!(self.service().recheck().await.unwrap().missed, 0);
        self.process.take().unwrap().stop().await;
    }
}

async fn ask(status: &dyn CertificateStatus, citizen: &Citizen) -> Option<StatusAnswer> {
    let answer = status.status(HERE, &citizen.certificate, citizen.point, Channel::Crl);
    answer.await.ok()
}

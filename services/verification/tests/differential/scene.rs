//! A simulated agency whose CA keys the test holds too, and what it issued.

use aws_lc_rs::{rsa::KeyPair, signature::KeyPair as _};
use chrono::Duration;
use warikan_pki::AnchorSet;
use warikan_simulator::{
    Card, CertificateChoice, Defect, Genesis, Hierarchy, KeySource, Layout, LifeEvent, Person,
    PersonId, PublicationOptions, Root, Simulator, fixtures,
};
use warikan_types::{Environment, Timestamp};

const CHOICES: [CertificateChoice; 2] = [
    CertificateChoice::Signature,
    CertificateChoice::Authentication,
];

/// When everything is judged.
pub fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

pub struct Scene {
    pub simulator: Simulator,
    pub keys: KeySource,
    holder: PersonId,
    of_old: PersonId,
    lost: PersonId,
}

/// A certificate in force and the key that signed it.
pub struct Seed {
    pub name: &'static str,
    pub der: Vec<u8>,
    pub signer: KeyPair,
}

impl Scene {
    pub fn new() -> Self {
        let mut keys = fixtures::key_source();
        let mut simulator =
            Simulator::genesis(Genesis::of(Hierarchy::Test), &mut keys, now().utc()).unwrap();
        let [of_old, holder, lost] = [1_100, 30, 20].map(|days| {
            let at = now().utc() - Duration::days(days);
            simulator
                .enroll(Person::of_the_test_card(), &mut keys, at)
                .unwrap()
        });
        let yesterday = now().utc() - Duration::days(1);
        simulator
            .apply(lost, &LifeEvent::Lose, &mut keys, yesterday)
            .unwrap();
        Self {
            simulator,
            keys,
            holder,
            of_old,
            lost,
        }
    }

    pub fn roots(&self) -> Vec<Root> {
        self.simulator.roots()
    }

    pub fn anchors(&self) -> AnchorSet {
        AnchorSet::new(
            self.roots()
                .into_iter()
                .map(|root| (Environment::Sandbox, root.der)),
        )
        .unwrap()
    }

    /// Both kinds, of both generations of the CAs.
    pub fn seeds(&self) -> Vec<Seed> {
        [
            ("signature", self.holder, CHOICES[0]),
            ("authentication", self.holder, CHOICES[1]),
            ("signature of the older generation", self.of_old, CHOICES[0]),
            (
                "authentication of the older generation",
                self.of_old,
                CHOICES[1],
            ),
        ]
        .map(|(name, person, choice)| {
            let der = self.leaf(person, choice);
            Seed {
                name,
                signer: self.signer_of(&der, choice),
                der,
            }
        })
        .into()
    }

    pub fn card(&self) -> Card {
        self.simulator.card(self.holder).unwrap()
    }

    /// A signature certificate in force and one that was revoked, of the newer generation.
    pub fn good_and_revoked(&self) -> [Vec<u8>; 2] {
        [self.holder, self.lost].map(|person| self.leaf(person, CHOICES[0]))
    }

    /// The lists that cover both, one for their municipality and one for all, their CA's certificate and its key.
    pub fn lists(&mut self) -> ([(&'static str, Vec<u8>); 2], Root, KeyPair) {
        let lists = [
            ("partition", Layout::Partitioned),
            ("complete", Layout::Complete),
        ]
        .map(|(name, layout)| {
            let options = PublicationOptions {
                layout,
                ..PublicationOptions::default()
            };
            let lists = self.simulator.publish_with(now().utc(), options).unwrap();
            let list = lists
                .crls
                .into_iter()
                .find(|one| one.choice == CHOICES[0] && one.generation == 2 && one.entries > 0)
                .unwrap();
            (name, list.der)
        });
        let root = self.root(CHOICES[0], 2);
        let key = key_of(&root.der);
        (lists, root, key)
    }

    pub fn root(&self, choice: CertificateChoice, generation: u32) -> Root {
        self.roots()
            .into_iter()
            .find(|one| one.choice == choice && one.generation == generation)
            .unwrap()
    }

    /// A certificate with each of the defects that the simulator knows.
    pub fn defective(&mut self) -> Vec<(String, Vec<u8>)> {
        let at = now().utc() - Duration::days(10);
        let mut out = Vec::new();
        for choice in CHOICES {
            for defect in Defect::ALL {
                let person = Person::of_the_test_card();
                let Ok(id) =
                    self.simulator
                        .enroll_defective(person, choice, defect, &mut self.keys, at)
                else {
                    continue;
                };
                let name = format!("defect {defect:?} of {}", choice.as_str());
                out.push((name, self.leaf(id, choice)));
            }
        }
        out
    }

    fn leaf(&self, person: PersonId, choice: CertificateChoice) -> Vec<u8> {
        let card = self.simulator.card(person).unwrap();
        card.certificate(choice).unwrap().to_vec()
    }

    /// The generation whose key id the certificate gives.
    fn signer_of(&self, leaf: &[u8], choice: CertificateChoice) -> KeyPair {
        let leaf = warikan_pki::Certificate::parse(leaf).unwrap();
        let roots = self.roots();
        let root = roots
            .iter()
            .filter(|root| root.choice == choice)
            .find(|root| {
                let root = warikan_pki::Certificate::parse(&root.der).unwrap();
                root.subject_key_id() == leaf.authority_key_id()
            })
            .unwrap();
        key_of(&root.der)
    }
}

/// The one of the fixed keys that stands in this certificate.
fn key_of(certificate: &[u8]) -> KeyPair {
    fixtures::test_keys()
        .into_iter()
        .map(|pkcs8| KeyPair::from_pkcs8(pkcs8).unwrap())
        .find(|pair| {
            let public = pair.public_key().as_ref();
            certificate
                .windows(public.len())
                .any(|window| window == public)
        })
        .unwrap()
}

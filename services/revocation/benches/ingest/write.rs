//! Signed lists of any size: the simulator makes an empty one, this fills it and signs again with the CA's key.
//!
//! Serials as J-LIS gives them (ascending from about 10^8, one certificate in sixteen revoked), a reason on each entry and an
//! invalidityDate on six in ten: 53 octets an entry.

use std::collections::HashMap;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use warikan_simulator::{
    CertificateChoice, Genesis, Hierarchy, Layout, Municipality, Publication, PublicationOptions,
    PublishedCrl, Simulator, fixtures,
};
use warikan_types::Timestamp;

/// Which of two days: between them one entry in 50 is added, one in 2,000 leaves, one in 10,000 says something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Day {
    Yesterday,
    Today,
}

/// What the entries of a list look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Usual,
    /// From the highest serial to the lowest, in blocks of seven.
    Unsorted,
    /// Every entry twice, the second time with another date.
    Twice,
    /// Each with a hundred extensions that nobody knows.
    ManyExtensions,
    /// Nothing but serial and date: the smallest entry that there is.
    Bare,
    /// Serials of 20 octets.
    Long,
}

pub struct Agency {
    pub simulator: Simulator,
    begin: Timestamp,
    keys: HashMap<String, RsaKeyPair>,
}

/// Both days' lists as the simulator made them, without entries.
pub struct Days {
    pub yesterday: Vec<PublishedCrl>,
    pub today: Vec<PublishedCrl>,
}

pub fn begin() -> Timestamp {
    "2026-11-20T00:00:00Z".parse().unwrap()
}

/// A moment of today.
pub fn now() -> Timestamp {
    "2026-11-21T01:00:00Z".parse().unwrap()
}

fn municipality(number: usize) -> Municipality {
    let letters: String = [number / 676, number / 26 % 26, number % 26]
        .iter()
        .map(|digit| char::from(b'a' + u8::try_from(*digit).unwrap()))
        .collect();
    let code = format!("{:05}", 10_000 + number);
    let name = format!("Machi{letters}-shi");
    Municipality::new(&code, "Tokyo-to", &name, "東京都", &format!("町{number}市"))
}

impl Agency {
    /// With so many municipalities.
    pub fn new(municipalities: usize) -> Self {
        Self::beginning(municipalities, begin())
    }

    /// The same since another moment, which is then yesterday.
    pub fn beginning(municipalities: usize, begin: Timestamp) -> Self {
        let mut keys = fixtures::key_source();
        let genesis = Genesis {
            municipalities: (0..municipalities).map(municipality).collect(),
            ..Genesis::of(Hierarchy::Production)
        };
        let simulator = Simulator::genesis(genesis, &mut keys, begin.utc()).unwrap();
        let records = serde_json::to_value(simulator.export().keys).unwrap();
        let keys = records.as_array().unwrap().iter().map(|record| {
            let pkcs8 = hex::decode(record["pkcs8"].as_str().unwrap()).unwrap();
            let id = record["id"].as_str().unwrap().to_owned();
            (id, RsaKeyPair::from_pkcs8(&pkcs8).unwrap())
        });
        Self {
            keys: keys.collect(),
            simulator,
            begin,
        }
    }

    /// The newest signature CA's empty lists of two days.
    pub fn days(&mut self, layout: Layout) -> Days {
        let options = PublicationOptions {
            layout,
            ..PublicationOptions::default()
        };
        let day = std::time::Duration::from_secs(24 * 3600);
        let own = |publication: Publication| -> Vec<PublishedCrl> {
            let lists = publication.crls.into_iter();
            let own = lists.filter(|list| list.choice == CertificateChoice::Signature);
            let mut own: Vec<_> = own.collect();
            let newest = own.iter().map(|list| list.generation).max().unwrap();
            own.retain(|list| list.generation == newest);
            own
        };
        let begin = self.begin;
        let first = self.simulator.publish_with(begin.utc(), options).unwrap();
        let second = self
            .simulator
            .publish_with(begin.plus(day).utc(), options)
            .unwrap();
        Days {
            yesterday: own(first),
            today: own(second),
        }
    }

    /// The list with these entries, signed.
    pub fn fill(&self, list: &PublishedCrl, entries: &[u8]) -> Vec<u8> {
        let records = self.simulator.export().generations;
        let generation = records
            .iter()
            .find(|one| (one.choice, one.generation) == (list.choice, list.generation));
        let key = &self.keys[&generation.unwrap().key.0];
        let (tbs, rest) = element(content(&list.der));
        let (algorithm, _) = element(rest);
        // version, algorithm, issuer, thisUpdate, nextUpdate: then come the entries.
        let before = (0..5).fold(content(tbs), |rest, _| element(rest).1);
        let head = &content(tbs)[..content(tbs).len() - before.len()];
        let mut signed = Vec::with_capacity(entries.len() + list.der.len() + 64);
        let listed = header(0x30, entries.len());
        let octets = head.len() + listed.len() + entries.len() + before.len();
        signed.extend(header(0x30, octets));
        signed.extend_from_slice(head);
        signed.extend(listed);
        signed.extend_from_slice(entries);
        signed.extend_from_slice(before);
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            &signed,
            &mut signature,
        )
        .unwrap();
        let mut bits = header(0x03, signature.len() + 1);
        bits.push(0);
        bits.extend(signature);
        let outer = header(0x30, signed.len() + algorithm.len() + bits.len());
        signed.splice(0..0, outer);
        signed.extend_from_slice(algorithm);
        signed.extend(bits);
        signed
    }
}

fn header(tag: u8, octets: usize) -> Vec<u8> {
    match octets {
        0..0x80 => vec![tag, octets as u8],
        0x80..0x100 => vec![tag, 0x81, octets as u8],
        _ => {
            let length = octets.to_be_bytes();
            let significant = &length[length.iter().position(|one| *one != 0).unwrap()..];
            let mut out = vec![tag, 0x80 | significant.len() as u8];
            out.extend_from_slice(significant);
            out
        }
    }
}

/// The first element and what follows it.
fn element(octets: &[u8]) -> (&[u8], &[u8]) {
    octets.split_at(octets.len() - after(octets).1.len())
}

fn content(octets: &[u8]) -> &[u8] {
    after(octets).0
}

fn after(octets: &[u8]) -> (&[u8], &[u8]) {
    let first = usize::from(octets[1]);
    let (from, length) = if first < 0x80 {
        (2, first)
    } else {
        let count = first & 0x7f;
        let length = octets[2..2 + count]
            .iter()
            .fold(0, |sum, one| (sum << 8) | usize::from(*one));
        (2 + count, length)
    };
    (&octets[from..from + length], &octets[from + length..])
}

/// Well spread numbers, the same every time.
pub fn spread(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The certificates that a list names: one in each `stride` serials from `first` on.
#[derive(Debug, Clone, Copy)]
pub struct Series {
    pub first: u64,
    pub stride: u64,
}

impl Series {
    pub fn serial(self, number: u64) -> u64 {
        self.first + number * self.stride + spread(self.first ^ number) % self.stride
    }

    /// Whether the list of that day names it.
    pub fn is_named(self, number: u64, day: Day) -> bool {
        let fate = spread(self.first.wrapping_mul(3) ^ number);
        match day {
            Day::Yesterday => !fate.is_multiple_of(50),
            Day::Today => fate % 2_000 != 1,
        }
    }
}

/// The entries of a list of that day, of the certificates with the numbers 0 to `count`.
pub fn entries(series: Series, count: u64, day: Day, shape: Shape) -> Vec<u8> {
    let most = if shape == Shape::ManyExtensions {
        1_600
    } else {
        64
    };
    let mut out = Vec::with_capacity(usize::try_from(count).unwrap() * most);
    for place in 0..count {
        let number = match shape {
            Shape::Unsorted => (count - 1 - place) / 7 * 7 + place % 7,
            _ => place,
        };
        if number >= count || !series.is_named(number, day) {
            continue;
        }
        let fate = spread(number ^ series.first.rotate_left(20));
        let serial = series.serial(number);
        let changed = day == Day::Today && fate.is_multiple_of(10_000);
        entry(&mut out, serial, fate, changed, shape);
        if shape == Shape::Twice {
            entry(&mut out, serial, fate ^ 0x3f00, changed, shape);
        }
    }
    out
}

/// revokedCertificates' element (RFC 5280 5.1).
fn entry(out: &mut Vec<u8>, serial: u64, fate: u64, changed: bool, shape: Shape) {
    let mut body = Vec::with_capacity(96);
    let octets = serial.to_be_bytes();
    let start = octets.iter().position(|one| *one != 0).unwrap();
    if shape == Shape::Long {
        body.extend([0x02, 20, 0x4a]);
        body.extend([0x51; 11]);
        body.extend(octets);
    } else {
        let zero = usize::from(octets[start] & 0x80 != 0);
        body.extend([0x02, (8 - start + zero) as u8]);
        body.extend(&[0][..zero]);
        body.extend(&octets[start..]);
    }
    let date = date(fate);
    body.extend([0x17, 13]);
    body.extend(date);
    if shape != Shape::Bare {
        let extensions = extensions(fate, changed, shape, &date);
        body.extend(header(0x30, extensions.len()));
        body.extend(extensions);
    }
    out.extend(header(0x30, body.len()));
    out.extend(body);
}

/// YYMMDDHHMMSSZ
fn date(fate: u64) -> [u8; 13] {
    let numbers = [
        24 + fate % 2,
        1 + (fate >> 8) % 12,
        1 + (fate >> 16) % 28,
        (fate >> 24) % 24,
        (fate >> 32) % 60,
        (fate >> 40) % 60,
    ];
    let mut text = [b'Z'; 13];
    for (place, number) in numbers.into_iter().enumerate() {
        text[2 * place] = b'0' + (number / 10) as u8;
        text[2 * place + 1] = b'0' + (number % 10) as u8;
    }
    text
}

fn extensions(fate: u64, changed: bool, shape: Shape, date: &[u8]) -> Vec<u8> {
    const REASON: [u8; 11] = [0x30, 10, 0x06, 3, 0x55, 0x1d, 21, 0x04, 3, 0x0a, 1];
    const INVALID: [u8; 11] = [0x30, 24, 0x06, 3, 0x55, 0x1d, 24, 0x04, 17, 0x18, 15];
    let mut out = REASON.to_vec();
    // keyCompromise, affiliationChanged, superseded, cessationOfOperation, certificateHold; changed: privilegeWithdrawn.
    let code = [1, 3, 4, 5, 6][(fate % 5) as usize];
    out.push(if changed { 9 } else { code });
    if fate % 10 < 6 {
        out.extend(INVALID);
        out.extend(b"20");
        out.extend(date);
    }
    if shape == Shape::ManyExtensions {
        for number in 0..100 {
            out.extend([0x30, 13, 0x06, 5, 0x2a, 0x83, 0x08, 0x8c, number]);
            out.extend([0x04, 4, 0x0c, 2, b'o', b'k']);
        }
    }
    out
}

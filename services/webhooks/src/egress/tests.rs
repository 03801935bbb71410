use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use reqwest::header::HeaderMap;

use super::{Egress, Lookup, Refusal, Rules, Sent, Target, address::is_public};
use crate::config::Config;

const STRICT: fn() -> Rules = || Rules {
    allow_loopback: false,
    ports: vec![443, 8443],
};
const LOOSE: fn() -> Rules = || Rules {
    allow_loopback: true,
    ports: vec![443, 8443],
};

fn refusal(text: &str, rules: &Rules) -> Option<Refusal> {
    Target::read(text, rules).err()
}

/// Each with the first thing that is wrong with it.
const REFUSED: &[(&str, Refusal)] = &[
    ("http://hooks.example.com/", Refusal::Scheme),
    ("ftp://hooks.example.com/", Refusal::Scheme),
    ("file:///etc/passwd", Refusal::Malformed),
    ("gopher://hooks.example.com/", Refusal::Scheme),
    ("https:hooks.example.com/", Refusal::Malformed),
    ("https:/hooks.example.com/", Refusal::Malformed),
    ("https:///hooks.example.com/", Refusal::Malformed),
    ("//hooks.example.com/", Refusal::Malformed),
    ("hooks.example.com", Refusal::Malformed),
    ("", Refusal::Malformed),
    (" https://hooks.example.com/", Refusal::Malformed),
    ("https://hooks.example.com/\n", Refusal::Malformed),
    ("https://hooks.example.com/\t", Refusal::Malformed),
    (
        "https://hooks.example.com\\@evil.example.com/",
        Refusal::Malformed,
    ),
    ("https://ｈooks.example.com/", Refusal::Malformed),
    ("https://127。0。0。1/", Refusal::Malformed),
    ("https://user@hooks.example.com/", Refusal::UserInfo),
    ("https://user:pw@hooks.example.com/", Refusal::UserInfo),
    ("https://@hooks.example.com/", Refusal::UserInfo),
    ("https://hooks.example.com@127.0.0.1/", Refusal::UserInfo),
    ("https://hooks.example.com/#part", Refusal::Fragment),
    ("https://hooks.example.com/#", Refusal::Fragment),
    ("https://hooks.example.com:22/", Refusal::Port),
    ("https://hooks.example.com:80/", Refusal::Port),
    ("https://hooks.example.com:0/", Refusal::Port),
    ("https://hooks.example.com:6379/", Refusal::Port),
    ("https://hooks.example.com:65536/", Refusal::Malformed),
    ("https://hooks.example.com:-1/", Refusal::Malformed),
    ("https://localhost/", Refusal::Name),
    ("https://LOCALHOST/", Refusal::Name),
    ("https://localhost./", Refusal::Name),
    ("https://a.localhost/", Refusal::Name),
    ("https://intranet/", Refusal::Name),
    ("https://metadata.google.internal/", Refusal::Name),
    ("https://metadata.google.internal./", Refusal::Name),
    ("https://db.local/", Refusal::Name),
    ("https://printer.home.arpa/", Refusal::Name),
    ("https://1.0.0.127.in-addr.arpa/", Refusal::Name),
    ("https://hooks.example.com../", Refusal::Name),
    ("https://127.0.0.1/", Refusal::Address),
    ("https://127.1/", Refusal::Address),
    ("https://0177.0.0.1/", Refusal::Address),
    ("https://0x7f.0.0.1/", Refusal::Address),
    ("https://0x7f000001/", Refusal::Address),
    ("https://2130706433/", Refusal::Address),
    ("https://017700000001/", Refusal::Address),
    ("https://%31%32%37.0.0.1/", Refusal::Address),
    ("https://127.0.0.1./", Refusal::Address),
    ("https://0/", Refusal::Address),
    ("https://0.0.0.0/", Refusal::Address),
    ("https://10.1.2.3/", Refusal::Address),
    ("https://172.31.255.255/", Refusal::Address),
    ("https://192.168.0.1/", Refusal::Address),
    (
        "https://169.254.169.254/latest/meta-data/",
        Refusal::Address,
    ),
    ("https://0xa9fea9fe/", Refusal::Address),
    ("https://100.100.100.200/", Refusal::Address),
    ("https://168.63.129.16/", Refusal::Address),
    ("https://192.0.0.192/", Refusal::Address),
    ("https://224.0.0.1/", Refusal::Address),
    ("https://255.255.255.255/", Refusal::Address),
    ("https://198.18.0.1/", Refusal::Address),
    ("https://203.0.113.9/", Refusal::Address),
    ("https://[::]/", Refusal::Address),
    ("https://[::1]/", Refusal::Address),
    ("https://[0:0:0:0:0:0:0:1]/", Refusal::Address),
    ("https://[::ffff:127.0.0.1]/", Refusal::Address),
    ("https://[::ffff:8.8.8.8]/", Refusal::Address),
    ("https://[::ffff:a9fe:a9fe]/", Refusal::Address),
    ("https://[::127.0.0.1]/", Refusal::Address),
    ("https://[64:ff9b::7f00:1]/", Refusal::Address),
    ("https://[64:ff9b:1::a00:1]/", Refusal::Address),
    ("https://[2002:7f00:1::]/", Refusal::Address),
    ("https://[2001:0:1::1]/", Refusal::Address),
    ("https://[2001:db8::1]/", Refusal::Address),
    ("https://[3fff:fff::1]/", Refusal::Address),
    ("https://[100::1]/", Refusal::Address),
    ("https://[5f00::1]/", Refusal::Address),
    ("https://[fe80::1]/", Refusal::Address),
    ("https://[fec0::1]/", Refusal::Address),
    ("https://[fc00::1]/", Refusal::Address),
    ("https://[fd00:ec2::254]/", Refusal::Address),
    ("https://[ff02::1]/", Refusal::Address),
    ("https://[fe80::1%25eth0]/", Refusal::Malformed),
    ("https://10.255.255.255/", Refusal::Address),
    ("https://172.16.0.1/", Refusal::Address),
    ("https://192.168.255.254/", Refusal::Address),
    ("https://169.254.170.2/", Refusal::Address),
    ("https://127.255.255.254/", Refusal::Address),
    ("https://0300.0250.0.1/", Refusal::Address),
    ("https://192.168.1/", Refusal::Address),
    ("https://0xc0a80001/", Refusal::Address),
    ("https://3232235521/", Refusal::Address),
    ("https://2852039166/", Refusal::Address),
    ("https://0251.0376.0251.0376/", Refusal::Address),
    ("https://239.255.255.250/", Refusal::Address),
    ("https://240.0.0.1/", Refusal::Address),
    ("https://192.88.99.1/", Refusal::Address),
    ("https://[::ffff:0:127.0.0.1]/", Refusal::Address),
    ("https://[::ffff:c0a8:1]/", Refusal::Address),
    ("https://[64:ff9b::a9fe:a9fe]/", Refusal::Address),
    ("https://[2002:a9fe:a9fe::]/", Refusal::Address),
    ("https://[2001::1]/", Refusal::Address),
    ("https://[ff05::1:3]/", Refusal::Address),
    ("https://[fdff::1]/", Refusal::Address),
    ("ldap://hooks.example.com/", Refusal::Scheme),
    ("ws://hooks.example.com/", Refusal::Scheme),
    ("https://hooks.example.com:5432/", Refusal::Port),
];

#[test]
fn f063_urls_that_are_refused_as_text() {
    assert!(REFUSED.len() >= 100);
    for (text, why) in REFUSED {
        assert_eq!(refusal(text, &STRICT()), Some(*why), "{text}");
    }
    let long = format!("https://hooks.example.com/{}", "a".repeat(2_048));
    assert_eq!(refusal(&long, &STRICT()), Some(Refusal::Malformed));
}

#[test]
fn f063_controls_are_accepted() {
    for text in [
        "https://hooks.example.com/",
        "HTTPS://Hooks.Example.COM",
        "https://hooks.example.com:443/a/b?c=d&e=%20",
        "https://hooks.example.com:8443/",
        "https://hooks.example.com./",
        "https://xn--fiq228c.example/",
        "https://localhost.example.com/",
        "https://8.8.8.8/",
        "https://172.32.0.1/",
        "https://100.128.0.1/",
        "https://[2606:4700::1]/",
    ] {
        assert_eq!(refusal(text, &STRICT()), None, "{text}");
    }
}

#[test]
fn f063_ports_are_those_that_the_operator_lists() {
    let listed = Rules {
        allow_loopback: false,
        ports: vec![9443],
    };
    assert_eq!(refusal("https://hooks.example.com:9443/", &listed), None);
    for text in [
        "https://hooks.example.com/",
        "https://hooks.example.com:8443/",
    ] {
        assert_eq!(refusal(text, &listed), Some(Refusal::Port), "{text}");
    }
}

#[test]
fn f063_loopback_is_open_only_where_configured_and_only_loopback() {
    for text in [
        "http://127.0.0.1:3000/",
        "http://localhost:3000/",
        "https://localhost:9/",
        "http://[::1]:3000/",
    ] {
        assert!(refusal(text, &STRICT()).is_some(), "{text}");
        assert_eq!(refusal(text, &LOOSE()), None, "{text}");
    }
    for text in [
        "http://hooks.example.com/",
        "http://10.0.0.1/",
        "http://169.254.169.254/",
        "http://0.0.0.0:3000/",
        "http://[::ffff:127.0.0.1]:3000/",
        "https://10.0.0.1/",
        "https://hooks.example.com:3000/",
    ] {
        assert!(refusal(text, &LOOSE()).is_some(), "{text}");
    }
}

#[test]
fn f063_the_edges_of_blocks() {
    let public = |text: &str| is_public(text.parse::<IpAddr>().unwrap());
    for text in [
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2001:200::",
        "2001:db7::",
        "2001:db9::",
        "2003::",
        "3ffe::",
        "3fff:1000::",
    ] {
        assert!(public(text), "{text}");
    }
    for text in [
        "0.255.255.255",
        "100.64.0.0",
        "100.127.255.255",
        "127.255.255.255",
        "169.254.0.0",
        "172.16.0.0",
        "198.19.255.255",
        "239.255.255.255",
        "240.0.0.0",
        "1fff:ffff::",
        "4000::",
        "2001:1ff:ffff::",
        "2002:ffff::",
        "3fff:fff:ffff::",
    ] {
        assert!(!public(text), "{text}");
    }
}

/// As a delivery does it: judged by the rules of the environment, then sent.
async fn post(egress: &Egress, url: &str) -> Sent {
    match egress.admits(warikan_types::Environment::Production, url) {
        Ok(target) => egress.post(target, HeaderMap::new(), String::new()).await,
        Err(_) => Sent::Failed("url_refused"),
    }
}

/// A resolver that answers what it is told, call by call; the last answer stays.
fn scripted(answers: &'static [&'static [&'static str]]) -> Lookup {
    let calls = AtomicUsize::new(0);
    Arc::new(move |_| {
        let call = calls.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        let found = answers[call].iter().map(|ip| ip.parse().unwrap()).collect();
        Box::pin(async move { Ok(found) })
    })
}

/// A listener that counts who connects.
async fn trap() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    (address, seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f063_a_name_that_turns_inward_after_registration_is_never_connected_to() {
    let rebindings: [&'static [&'static [&'static str]]; 7] = [
        &[&["93.184.215.14"], &["127.0.0.1"]],
        &[&["93.184.215.14"], &["93.184.215.14", "127.0.0.1"]],
        &[&["93.184.215.14"], &["127.0.0.1", "93.184.215.14"]],
        &[&["93.184.215.14"], &["::1"]],
        &[&["93.184.215.14"], &["::ffff:127.0.0.1"]],
        &[&["2606:4700::1"], &["0.0.0.0"]],
        &[&[], &["127.0.0.1"]],
    ];
    let (address, seen) = trap().await;
    for answers in rebindings {
        for allow_loopback_http in [false, true] {
            let config = Config {
                allow_loopback_http,
                allowed_ports: vec![address.port()],
                ..Config::default()
            };
            let egress = Egress::with_lookup(&config, scripted(answers)).unwrap();
            let text = format!("https://hooks.example.com:{}/", address.port());
            let url = egress.accept(&text).await.expect("public at registration");
            let sent = post(&egress, &url).await;
            assert_eq!(sent, Sent::Failed("address_refused"), "{answers:?}");
        }
    }
    assert_eq!(seen.load(Ordering::SeqCst), 0);

    // The same way out does reach the trap where it may, and only where the name was looked up to lie.
    let loose = Config {
        allow_loopback_http: true,
        ..Config::default()
    };
    let egress = Egress::with_lookup(&loose, scripted(&[&["127.0.0.1"]])).unwrap();
    let url = format!("https://localhost:{}/", address.port());
    let sent = post(&egress, &url).await;
    assert_eq!(
        sent,
        Sent::Failed("connection_failed"),
        "the trap speaks no TLS"
    );
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f063_a_name_that_points_inward_is_refused_at_registration() {
    let config = Config::default();
    let inward: [&'static [&'static [&'static str]]; 3] = [
        &[&["10.0.0.1"]],
        &[&["93.184.215.14", "169.254.169.254"]],
        &[&["fd00::1"]],
    ];
    for answers in inward {
        let egress = Egress::with_lookup(&config, scripted(answers)).unwrap();
        let found = egress.accept("https://hooks.example.com/").await;
        assert_eq!(found, Err(Refusal::Address), "{answers:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f063_a_stored_url_is_judged_by_todays_rules() {
    let (address, seen) = trap().await;
    let egress = Egress::new(&Config::default()).unwrap();
    let url = format!("http://{address}/");
    let sent = post(&egress, &url).await;
    assert_eq!(sent, Sent::Failed("url_refused"));
    assert_eq!(seen.load(Ordering::SeqCst), 0);
}

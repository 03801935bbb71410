//! What only a raw connection can send: paths in disguise, heads and bodies without an end, connections that say nothing.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test stops where it cannot go on, and says what it leaves out"
)]

mod support;

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Instant,
};

use reqwest::Method;
use serde_json::json;
use support::{Caller, Installation, PATIENCE, Server, Split, split::SERVICES, until};
use warikan_testkit::App;

/// Each of these loads the machine on purpose, so one goes after the other.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The first status that comes back for these octets; 0 where the connection is closed without a word.
fn said(address: &str, octets: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // Whoever refuses a head may close before it was all sent.
    let _ = stream.write_all(octets);
    status(&mut stream)
}

fn status(stream: &mut TcpStream) -> u16 {
    let mut answer = Vec::new();
    let mut part = [0; 4_096];
    while !answer.ends_with(b"\r\n") && answer.len() < 16 {
        match stream.read(&mut part) {
            Ok(length @ 1..) => answer.extend_from_slice(&part[..length]),
            _ => break,
        }
        if answer.len() >= 12 {
            break;
        }
    }
    let text = String::from_utf8_lossy(&answer).into_owned();
    let word = text.split(' ').nth(1).unwrap_or_default();
    word.parse().unwrap_or(0)
}

/// A request with its target as it stands. HTTP clients tidy paths up; attackers do not.
fn ask(address: &str, method: &str, target: &str, headers: &[(&str, &str)]) -> u16 {
    let mut head =
        format!("{method} {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    said(address, format!("{head}\r\n").as_bytes())
}

/// Spellings of `/v1/operator/tenants`. Some are it by the letter of RFC 3986, most are nothing.
const DISGUISES: [&str; 33] = [
    "/v1/operator/tenants",
    "//v1/operator/tenants",
    "/v1//operator/tenants",
    "/v1/operator/tenants/",
    "/v1/operator/tenants//",
    "/./v1/operator/tenants",
    "/v1/operator/./tenants",
    "/v1/operator/tenants/.",
    "/v1/operator/tenants/..",
    "/v1/watches/../operator/tenants",
    "/v1/watches/%2e%2e/operator/tenants",
    "/v1/watches/%2e%2e%2foperator%2ftenants",
    "/v1/watches/..;/operator/tenants",
    "/v1/watches/..%3b/operator/tenants",
    "/v1/watches/..%5coperator%5ctenants",
    "/v1%2foperator%2ftenants",
    "/v1/operator%2ftenants",
    "/v1/operator%252ftenants",
    "/v1/%6fperator/tenants",
    "/v1/%256fperator/tenants",
    "/v1/operator/tenants%20",
    "/v1/operator/tenants%00",
    "/v1/operator/tenants%0d%0a",
    "/v1/operator/tenants.",
    "/v1/operator/tenants.json",
    "/v1/operator/tenants;x=1",
    "/v1;x=1/operator/tenants",
    "/V1/operator/tenants",
    "/v1/OPERATOR/TENANTS",
    "/v1/operator/tenants%ef%bc%8f",
    "\\v1\\operator\\tenants",
    "v1/operator/tenants",
    "http://operator/v1/operator/tenants",
];

/// Headers that servers behind other servers have believed.
const OVERRIDES: [(&str, &str); 8] = [
    ("x-original-url", "/v1/operator/tenants"),
    ("x-rewrite-url", "/v1/operator/tenants"),
    ("x-forwarded-prefix", "/v1/operator"),
    ("x-http-method-override", "DELETE"),
    ("x-http-method", "DELETE"),
    ("x-method-override", "DELETE"),
    ("x-warikan-internal", "operator"),
    ("x-forwarded-user", "operator"),
];

struct Shape {
    address: String,
    operator: String,
    firm: Caller,
}

impl Shape {
    async fn of(server: &Server, operator: Caller) -> Self {
        let tenant = operator.take_on("割勘証券株式会社").await;
        Self {
            address: server.address().to_owned(),
            firm: operator.credential(&tenant, "sandbox").await,
            operator: operator.token().unwrap().to_owned(),
        }
    }

    /// What each spelling is answered: without a token, with a tenant's, with the operator's.
    fn disguises(&self) -> Vec<(&'static str, [u16; 3])> {
        let tenant = format!("Bearer {}", self.firm.token().unwrap());
        let operator = format!("Bearer {}", self.operator);
        let one = |target: &'static str| {
            let by = |token: &str| ask(&self.address, "GET", target, &[("authorization", token)]);
            let nobody = ask(&self.address, "GET", target, &[]);
            (target, [nobody, by(&tenant), by(&operator)])
        };
        DISGUISES.into_iter().map(one).collect()
    }

    /// What a tenant's things become by headers that say another verb or path.
    async fn overrides(&self) {
        let watch = self.firm.get("/v1/watches").await;
        watch.expect(200);
        let token = format!("Bearer {}", self.firm.token().unwrap());
        for (name, value) in OVERRIDES {
            let plain = App::read(
                self.firm
                    .request(Method::GET, "/v1/watches")
                    .header(name, value),
            )
            .await;
            assert_eq!(plain.expect(200), watch.expect(200), "{name}: {value}");
            let made = self
                .firm
                .post(
                    "/v1/webhook-endpoints",
                    &json!({ "url": "https://127.0.0.1:8443/hook" }),
                )
                .await;
            let path = format!(
                "/v1/webhook-endpoints/{}",
                made.expect(201)["id"].as_str().unwrap()
            );
            App::read(self.firm.request(Method::GET, &path).header(name, value))
                .await
                .expect(200);
            self.firm.get(&path).await.expect(200);
            let status = ask(
                &self.address,
                "POST",
                &format!("{path}?_method=DELETE"),
                &[
                    ("authorization", &token),
                    (name, value),
                    ("content-length", "0"),
                ],
            );
            assert_eq!(status, 405, "{name}: {value}");
            App::read(self.firm.request(Method::DELETE, &path))
                .await
                .expect(204);
        }
        for (method, expected) in [
            ("PUT", 405),
            ("get", 405),
            ("TRACE", 405),
            ("CONNECT", 405),
            ("MKCOL", 405),
            ("HEAD", 405),
            ("GET\tX", 400),
        ] {
            let status = ask(
                &self.address,
                method,
                "/v1/operator/tenants",
                &[("authorization", &token)],
            );
            assert!(status == expected || status == 400, "{method}: {status}");
        }
    }
}

/// A path means the same to the edge and to the service, in one process and in several, and no spelling of it gives anybody more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f005_no_spelling_of_a_path_and_no_header_gives_a_tenant_more() {
    let _alone = ALONE.lock().await;
    let here = Installation::configured("[webhooks]\nallow_loopback_http = true\n");
    let server = here.serve().await;
    let one = Shape::of(&server, server.operator().await).await;
    let mut split = Split::new("[webhooks]\nallow_loopback_http = true\n");
    split.start_all(&SERVICES).await;
    split.start("gateway").await;
    split.ready().await;
    let many = Shape::of(split.process("gateway"), split.operator().await).await;
    let (whole, parts) = (one.disguises(), many.disguises());
    assert_eq!(whole[0].1, [401, 403, 200], "{:?}", whole[0]);
    for ((target, alone), (_, apart)) in whole.iter().zip(&parts) {
        assert_eq!(alone, apart, "{target}: one process and several must agree");
        let [nobody, tenant, operator] = alone;
        assert!(
            [400, 401, 404].contains(nobody),
            "{target}: {nobody} without a token"
        );
        assert!(
            [400, 403, 404].contains(tenant),
            "{target}: {tenant} to a tenant"
        );
        // It is the operation, and then guarded as the operation is; or it is nothing.
        let guarded = *alone == [401, 403, 200];
        assert!(
            guarded || [400, 403, 404].contains(operator),
            "{target}: {alone:?}"
        );
    }
    one.overrides().await;
    many.overrides().await;
    server.stop().await;
    split.stop_all().await;
}

/// Resident memory of a process in KiB.
fn resident(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Sends the same piece again and again until it is cut; gives the status, if one came, and whether it was cut at all.
fn endless(address: &str, head: &[u8], piece: &[u8]) -> (u16, bool) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(head).unwrap();
    let begun = Instant::now();
    let mut cut = false;
    while !cut && begun.elapsed() < PATIENCE {
        cut = stream.write_all(piece).is_err();
    }
    (status(&mut stream), cut)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f058_heads_and_bodies_without_an_end_are_cut_and_cost_little() {
    let _alone = ALONE.lock().await;
    let here = Installation::new();
    let server = here.serve().await;
    let operator = server.operator().await;
    let tenant = operator.take_on("割勘証券株式会社").await;
    let firm = operator.credential(&tenant, "sandbox").await;
    let address = server.address().to_owned();
    let before = resident(&server);
    let token = firm.token().unwrap();
    let post = format!(
        "POST /v1/verifications HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n"
    );
    let chunk = [b"10000\r\n".as_slice(), &vec![b' '; 0x1_0000], b"\r\n"].concat();
    for (what, head, piece, statuses) in [
        (
            "a gigabyte declared",
            format!("{post}content-length: 1073741824\r\n\r\n"),
            vec![b' '; 0x1_0000],
            [413, 0],
        ),
        (
            "chunks forever",
            format!("{post}transfer-encoding: chunked\r\n\r\n"),
            chunk.clone(),
            [413, 0],
        ),
        (
            "chunks forever for nobody",
            format!(
                "{}transfer-encoding: chunked\r\n\r\n",
                post.replace(token, "nobody")
            ),
            chunk,
            [401, 413],
        ),
        (
            "headers forever",
            "GET / HTTP/1.1\r\nhost: x\r\n".to_owned(),
            b"x-more: 1\r\n".repeat(1_000),
            [400, 431],
        ),
        (
            "one header forever",
            "GET / HTTP/1.1\r\nhost: x\r\nx-more: ".to_owned(),
            vec![b'a'; 0x1_0000],
            [400, 431],
        ),
        (
            "a target forever",
            "GET /".to_owned(),
            vec![b'a'; 0x1_0000],
            [414, 431],
        ),
        // HTTP/2's floods (rapid reset, CONTINUATION) need HTTP/2, which is not spoken here without TLS.
        (
            "HTTP/2 by prior knowledge",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
            vec![0, 0, 0, 4, 0, 0, 0, 0, 0],
            [400, 505],
        ),
    ] {
        let there = address.clone();
        let sending = move || endless(&there, head.as_bytes(), &piece);
        let (status, cut) = tokio::task::spawn_blocking(sending).await.unwrap();
        // Who is cut while sending may not find the answer any more.
        assert!(
            statuses.contains(&status) || status == 0,
            "{what}: {status}"
        );
        assert!(cut, "{what}: it is read for ever");
        // Others are served meanwhile and afterwards.
        firm.get("/v1/verifications").await.expect(200);
    }
    let more = resident(&server).saturating_sub(before);
    assert!(more < 100 << 10, "{more} KiB more than before");
    server.stop().await;
}

/// A body that comes octet by octet is given up where services are in the edge's own process, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f058_a_body_that_does_not_come_is_not_waited_for() {
    let _alone = ALONE.lock().await;
    let here = Installation::new();
    let server = here.serve().await;
    let operator = server.operator().await;
    let token = operator.token().unwrap().to_owned();
    let json = format!("authorization: Bearer {token}\r\ncontent-type: application/json\r\n");
    let form = "content-type: application/x-www-form-urlencoded\r\n".to_owned();
    let asked: Vec<_> = [
        (
            "/v1/operator/tenants",
            json.clone(),
            "content-length: 100\r\n\r\n{\"name\":",
        ),
        (
            "/v1/operator/tenants",
            json,
            "transfer-encoding: chunked\r\n\r\n3\r\n{\"n\r\n",
        ),
        ("/oauth/token", form, "content-length: 100\r\n\r\ngrant_"),
    ]
    .into_iter()
    .map(|(path, head, rest)| {
        let octets = format!("POST {path} HTTP/1.1\r\nhost: x\r\n{head}{rest}");
        let address = server.address().to_owned();
        std::thread::spawn(move || {
            let begun = Instant::now();
            (said(&address, octets.as_bytes()), begun.elapsed())
        })
    })
    .collect();
    let ended = tokio::task::spawn_blocking(move || {
        let all = asked.into_iter().map(|one| one.join().unwrap());
        all.collect::<Vec<_>>()
    });
    for (status, took) in ended.await.unwrap() {
        assert_eq!(status, 408, "after {took:?}");
    }
    operator.get("/v1/operator/tenants").await.expect(200);
    server.stop().await;
}

/// Files that this process and the one it starts may have open; raised as far as the shell allows.
fn files() -> u64 {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
    soft.unwrap_or(u64::MAX)
}

/// Connections that stand at a port of this machine, as its server sees them.
fn established(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let here = format!(":{port:04X}");
    let stands = |line: &&str| {
        let mut fields = line.split_whitespace().skip(1);
        let local = fields.next().is_some_and(|local| local.ends_with(&here));
        local && fields.nth(1) == Some("01")
    };
    table.lines().filter(stands).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f058_ten_thousand_idle_connections_keep_nobody_out_and_are_closed() {
    const IDLE: u64 = 10_000;
    let _alone = ALONE.lock().await;
    if files() < IDLE + 500 {
        eprintln!(
            "left out: this shell lets a process open {} files (ulimit -n)",
            files()
        );
        return;
    }
    let here = Installation::new();
    let server = here.serve().await;
    let operator = server.operator().await;
    let tenant = operator.take_on("割勘証券株式会社").await;
    let firm = operator.credential(&tenant, "sandbox").await;
    let (address, before) = (server.address().to_owned(), resident(&server));
    let opening = move || {
        let one = |number: u64| {
            let mut stream = TcpStream::connect(&address).unwrap();
            // Some say nothing at all, some begin a head.
            if number.is_multiple_of(2) {
                let _ = stream.write_all(b"GET / HT");
            }
            stream
        };
        (0..IDLE).map(one).collect::<Vec<_>>()
    };
    let idle = tokio::task::spawn_blocking(opening).await.unwrap();
    let alone = firm.alone();
    alone.get("/v1/verifications").await.expect(200);
    operator
        .alone()
        .get("/v1/operator/tenants")
        .await
        .expect(200);
    let more = resident(&server).saturating_sub(before);
    assert!(more < 200 << 10, "{more} KiB for {IDLE} connections");
    // Nobody is left: each is closed, with 408 or without a word, while the client would go on.
    let port = server
        .address()
        .rsplit(':')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    until("the idle connections to be closed", async || {
        (established(port) < 100).then_some(())
    })
    .await;
    drop(idle);
    alone.get("/v1/verifications").await.expect(200);
    server.stop().await;
}

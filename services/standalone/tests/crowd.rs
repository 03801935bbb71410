//! More requests at once than a process takes (F087).

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Instant,
};

use reqwest::Client;
use support::{Installation, PATIENCE, until};

const FORM: &str = "grant_type=client_credentials";

/// The head of a token request that is refused for having no credentials.
fn head(address: &str) -> String {
    format!(
        "POST /oauth/token HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n",
        FORM.len()
    )
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// One answer, whole, so that the next on the connection can be read: its status and its head.
fn answer(stream: &mut BufReader<TcpStream>) -> (u16, String) {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut head).unwrap() > 0, "closed: {head}");
    }
    let head = head.to_lowercase();
    let length = head.split("content-length: ").nth(1).unwrap();
    let length: usize = length.lines().next().unwrap().parse().unwrap();
    stream.read_exact(&mut vec![0; length]).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f087_what_comes_beyond_is_refused_at_once_and_costs_no_connection() {
    let here = Installation::configured("[limits]\nrequests_under_way = 1\n");
    let server = here.serve().await;
    server.ready().await;
    let address = server.address().to_owned();
    let client = Client::builder().no_proxy().build().unwrap();
    let get = async |path: &str| {
        let asked = client.get(format!("{}{path}", server.base)).send().await;
        asked.unwrap()
    };

    // It takes the only place, and its body does not come yet.
    let mut held = connect(&address);
    held.write_all(head(&address).as_bytes()).unwrap();
    let beyond = until("the place is taken", async || {
        let reply = get("/openapi.json").await;
        (reply.status() == 503).then_some(reply)
    })
    .await;
    assert_eq!(beyond.headers()["retry-after"], "1");
    assert_eq!(beyond.headers()["content-type"], "application/problem+json");
    assert!(beyond.headers().contains_key("x-request-id"));
    assert!(beyond.text().await.unwrap().contains("/unavailable"));
    for probe in ["/health/live", "/health/ready"] {
        assert_eq!(get(probe).await.status(), 200, "{probe}");
    }

    // A refused one's short body is read, and the same connection is good for the next.
    let whole = format!("{}{FORM}", head(&address));
    let mut again = BufReader::new(connect(&address));
    for _ in 0..3 {
        again.get_mut().write_all(whole.as_bytes()).unwrap();
        let (status, head) = answer(&mut again);
        assert_eq!(status, 503);
        assert!(!head.contains("connection: close"), "{head}");
    }

    // The one that was taken is answered as if nobody had come meanwhile, and then there is room.
    held.write_all(FORM.as_bytes()).unwrap();
    assert_eq!(answer(&mut BufReader::new(held)).0, 401);
    until("room", async || {
        (get("/openapi.json").await.status() == 200).then_some(())
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f087_readers_that_wait_for_events_take_nobodys_place() {
    let here = Installation::configured("[limits]\nrequests_under_way = 1\n");
    let server = here.serve().await;
    server.ready().await;
    let operator = server.operator().await;
    let tenant = operator.take_on("Readers").await;
    let reader = operator.credential(&tenant, "sandbox").await;
    let end = reader.get("/v1/events?limit=1").await;
    let end = end.expect(200)["next_cursor"].as_str().unwrap().to_owned();
    let path = format!("/v1/events?after={end}&wait_seconds=3");
    let wait = async || {
        until("a place for looking", async || {
            let begun = Instant::now();
            let reply = reader.alone().get(&path).await;
            (reply.status != 503).then(|| {
                assert!(reply.expect(200)["data"].as_array().unwrap().is_empty());
                (begun, Instant::now())
            })
        })
        .await
    };
    let (one, other) = tokio::join!(wait(), wait());
    assert!(
        one.0.max(other.0) < one.1.min(other.1),
        "the second could begin when the first had ended"
    );
    server.stop().await;
}

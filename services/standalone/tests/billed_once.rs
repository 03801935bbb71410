//! What is billed is what was answered: over a real broker that delivers everything three times and between processes that die, and where
//! messages are lost altogether.
//!
//! Billing reaches the broker through a wire that loses every acknowledgement while it is told to. So billing commits, believes that
//! it has acknowledged, and is killed; the broker delivers everything again.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use serde_json::{Value, json};
use support::{
    Caller, Split,
    broker::{Broker, configuration},
    caller::and,
    until,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp},
};
use warikan_types::{BillingMonth, Clock};

const METER: &str = "billing.meter";
const OPERATIONS: usize = 12;

/// `basic.deliver` and `basic.ack`, class and method, as they stand in a frame (AMQP 0-9-1 1.8.3).
const DELIVER: [u8; 4] = [0, 60, 0, 60];
const ACK: [u8; 4] = [0, 60, 0, 80];

/// A wire to the broker on which acknowledgements can be lost.
struct Wire {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    loses: AtomicBool,
    lost_acks: AtomicUsize,
}

impl Wire {
    async fn to(broker: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let (all, broker) = (Arc::clone(&state), broker.to_owned());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&broker).await else {
                    continue;
                };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                // On a connection over which something was delivered nothing gets through to the broker any more.
                let cut = Arc::new(AtomicBool::new(false));
                let there = carry_there(from_client, to_server, Arc::clone(&all), Arc::clone(&cut));
                tokio::spawn(there);
                tokio::spawn(carry_back(from_server, to_client, Arc::clone(&all), cut));
            }
        });
        Self { address, state }
    }

    /// From now on, or no longer.
    fn lose(&self, loses: bool) {
        self.state.loses.store(loses, Ordering::SeqCst);
        self.state.lost_acks.store(0, Ordering::SeqCst);
    }

    /// Waits until billing has acknowledged into the void: its commit came before.
    async fn lost_one(&self) {
        until("an acknowledgement that is lost", async || {
            (self.state.lost_acks.load(Ordering::SeqCst) > 0).then_some(())
        })
        .await;
    }
}

fn holds(octets: &[u8], pattern: [u8; 4]) -> bool {
    octets.windows(pattern.len()).any(|part| part == pattern)
}

async fn carry_back(
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    state: Arc<State>,
    cut: Arc<AtomicBool>,
) {
    let mut octets = vec![0; 64 * 1024];
    // A pattern may lie across two reads.
    let mut tail = Vec::new();
    while let Ok(length @ 1..) = from.read(&mut octets).await {
        tail.extend_from_slice(&octets[..length]);
        if state.loses.load(Ordering::SeqCst) && holds(&tail, DELIVER) {
            cut.store(true, Ordering::SeqCst);
        }
        tail.drain(..tail.len().saturating_sub(DELIVER.len() - 1));
        if to.write_all(&octets[..length]).await.is_err() {
            return;
        }
    }
}

async fn carry_there(
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    state: Arc<State>,
    cut: Arc<AtomicBool>,
) {
    let mut octets = vec![0; 64 * 1024];
    let mut tail = Vec::new();
    while let Ok(length @ 1..) = from.read(&mut octets).await {
        if cut.load(Ordering::SeqCst) {
            tail.extend_from_slice(&octets[..length]);
            if holds(&tail, ACK) {
                state.lost_acks.fetch_add(1, Ordering::SeqCst);
                tail.clear();
            }
            tail.drain(..tail.len().saturating_sub(ACK.len() - 1));
        } else if to.write_all(&octets[..length]).await.is_err() {
            return;
        }
    }
}

/// Operations of this month, as the tenant's usage tells them; `None` while billing is not there.
async fn used(firm: &Caller) -> Option<i64> {
    let month = BillingMonth::of(Clock::system().now());
    let reply = firm.get(&format!("/v1/usage?period={month}")).await;
    let rows = (reply.status == 200).then(|| reply.json["usage"].as_array())??;
    let counts = rows.iter().map(|row| row["quantity"].as_i64().unwrap());
    Some(counts.sum())
}

async fn is_used(firm: &Caller, wanted: usize) {
    let wanted = i64::try_from(wanted).unwrap();
    until("every operation counted", async || {
        let counted = used(firm).await?;
        assert!(counted <= wanted, "counted {counted} of {wanted}");
        (counted == wanted).then_some(())
    })
    .await;
}

async fn is_waiting(broker: &Broker, messages: usize) {
    until("the messages in billing's queue", async || {
        (broker.waiting(METER).await as usize == messages).then_some(())
    })
    .await;
}

/// Verifies so often more, all with different answers; how many verifications there are then.
async fn verify(firm: &Caller, body: &Value, times: usize) -> usize {
    for _ in 0..times {
        firm.verify(body).await;
    }
    firm.all("/v1/verifications").await.len()
}

async fn reconcile(operator: &Caller) -> Value {
    let month = BillingMonth::of(Clock::system().now());
    let path = format!("/v1/operator/months/{month}/reconciliation");
    operator.post(&path, &json!({})).await.expect(200).clone()
}

/// The platform without billing, a tenant and what it asks.
async fn without_billing(more: &str) -> (Split, Caller, Value) {
    let mut split = Split::new(more);
    let others = [
        "sandbox",
        "revocation",
        "onboarding",
        "verification",
        "gateway",
    ];
    split.start_all(&others).await;
    let firm = split.firm().await;
    let anyone = split.anyone();
    let person = anyone.person(&json!({})).await;
    let signed = anyone.sign(&person, "口座開設申込書").await;
    let body = and(&signed, json!({ "watch": false }));
    until("a valid verdict", async || {
        let reply = firm.post("/v1/verifications", &body).await;
        (reply.status == 201 && reply.json["verdict"] == "valid").then_some(())
    })
    .await;
    (split, firm, body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f072_three_deliveries_and_deaths_between_commit_and_ack_bill_each_operation_once() {
    let Some(broker) = Broker::find("billed-once").await else {
        return;
    };
    let (more, database) = configuration(&broker);
    let wire = Wire::to(broker.address()).await;
    let url = broker.url_at(&wire.address.to_string());
    let over_the_wire = [("WARIKAN_RABBITMQ__URL", url.as_str())];
    let (mut split, firm, body) = without_billing(&more).await;
    let operations = verify(&firm, &body, OPERATIONS).await;
    is_waiting(&broker, operations).await;
    broker.multiply(METER, 3).await;
    is_waiting(&broker, 3 * operations).await;
    for _ in 0..3 {
        wire.lose(true);
        split.start_with("billing", &over_the_wire).await;
        is_used(&firm, operations).await;
        wire.lost_one().await;
        split.kill("billing");
        // Everything is there again: not one acknowledgement got through.
        is_waiting(&broker, 3 * operations).await;
    }
    wire.lose(false);
    split.start_with("billing", &over_the_wire).await;
    is_waiting(&broker, 0).await;
    is_used(&firm, operations).await;
    split.stop("billing").await;
    assert_eq!(broker.waiting(METER).await, 0, "all is acknowledged");
    split.start("billing").await;
    is_used(&firm, operations).await;
    split.stop_all().await;
    broker.clear().await;
    drop(database);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f074_a_purged_queue_loses_no_operation_between_processes() {
    let Some(broker) = Broker::find("purged").await else {
        return;
    };
    let (more, database) = configuration(&broker);
    let (mut split, firm, body) = without_billing(&more).await;
    let operations = verify(&firm, &body, OPERATIONS).await;
    is_waiting(&broker, operations).await;
    broker.purge(METER).await;
    split.start("billing").await;
    is_used(&firm, 0).await;
    let operator = split.operator().await;
    let found = reconcile(&operator).await;
    assert_eq!(
        (&found["state"], &found["difference"], &found["recovered"]),
        (&json!("agrees"), &json!(0), &json!(operations)),
        "{found}"
    );
    is_used(&firm, operations).await;

    // Who is not billing is told nothing; and a service that is away is named, not counted as nothing.
    let nobody = Caller::anyone(&split.inner("verification"));
    let month = BillingMonth::of(Clock::system().now());
    let until = month.end();
    let question = format!("/inner/operations/tallies?month={month}&until={until}");
    assert_eq!(nobody.get(&question).await.status, 401);
    split.kill("verification");
    let found = reconcile(&operator).await;
    assert_eq!(
        (&found["state"], &found["difference"]),
        (&json!("incomplete"), &Value::Null),
        "{found}"
    );
    split.stop_all().await;
    broker.clear().await;
    drop(database);
}

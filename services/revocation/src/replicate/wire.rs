//! One list on the wire: the head's length (4 octets, big-endian), the head as JSON, and what it announces: the table of a version, or
//! the change that leads to it from the version before (`table::table_to_blob`, `table::change_to_blob`). A head of length 0 says
//! that the answer is whole.

use bytes::{Buf, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use warikan_types::{CrlPartition, Environment, IssuerKey, Timestamp};

use crate::{
    diff::Change,
    status::{ListKey, ListStatus, Step},
    table::{Damaged, Table, change_from_blob, table_from_blob, table_to_blob},
};

/// No head of ours is nearly as long.
const HEAD_LIMIT: usize = 64 << 10;
/// No list of ours is as long: 30 million entries take 330 MB.
const BODY_LIMIT: usize = 4 << 30;

/// Ends an answer.
pub(super) const END: [u8; 4] = [0; 4];

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    environment: Environment,
    issuer: IssuerKey,
    partition: Option<CrlPartition>,
    id: Uuid,
    seq: i64,
    this_update: Timestamp,
    next_update: Timestamp,
    version: String,
    /// The version that the change begins at; without it a table follows.
    from: Option<i64>,
    octets: usize,
}

/// A whole version.
pub(super) fn encode(key: &ListKey, list: &ListStatus) -> Vec<u8> {
    frame(key, list, None, &table_to_blob(&list.table))
}

/// The way to a version from the one before it.
pub(super) fn encode_step(key: &ListKey, step: &Step) -> Vec<u8> {
    frame(key, &step.version, Some(step.from), &step.change)
}

fn frame(key: &ListKey, list: &ListStatus, from: Option<i64>, body: &[u8]) -> Vec<u8> {
    let head = Head {
        environment: key.environment,
        issuer: key.issuer,
        partition: key.partition,
        id: list.id,
        seq: list.seq,
        this_update: list.this_update,
        next_update: list.next_update,
        version: list.version.clone(),
        from,
        octets: body.len(),
    };
    // Plain data into memory: it cannot fail.
    let head = serde_json::to_vec(&head).unwrap_or_default();
    let length = u32::try_from(head.len()).unwrap_or(u32::MAX);
    let mut out = Vec::with_capacity(4 + head.len() + body.len());
    out.extend(length.to_be_bytes());
    out.extend(head);
    out.extend_from_slice(body);
    out
}

/// What lies at the beginning of what has arrived.
pub(super) enum Next {
    /// Not whole yet.
    More,
    /// The answer ends here.
    End,
    /// A version; its octets are taken away.
    Version(ListKey, Arrived),
}

/// A version as it came.
pub(super) struct Arrived {
    head: Head,
    body: Body,
    octets: Bytes,
}

enum Body {
    Whole(Table),
    Step(i64, Change),
}

impl Arrived {
    /// The version, and the change that led to it from `known`. `None`: it is a change of another version than `known`.
    pub(super) fn onto(
        self,
        known: Option<&ListStatus>,
    ) -> Result<Option<(ListStatus, Option<Bytes>)>, Damaged> {
        let (table, change) = match self.body {
            Body::Whole(table) => (table, None),
            Body::Step(from, change) => {
                let fits = |known: &&ListStatus| known.id == self.head.id && known.seq == from;
                let Some(known) = known.filter(fits) else {
                    return Ok(None);
                };
                let seq = u32::try_from(self.head.seq)
                    .map_err(|_| Damaged("a version's number is out of range"))?;
                (known.table.apply(&[(seq, &change)])?, Some(self.octets))
            }
        };
        let list = ListStatus {
            id: self.head.id,
            seq: self.head.seq,
            this_update: self.head.this_update,
            next_update: self.head.next_update,
            version: self.head.version,
            table,
        };
        Ok(Some((list, change)))
    }
}

/// Takes the next version out of `arrived`.
pub(super) fn decode(arrived: &mut BytesMut) -> Result<Next, Damaged> {
    let Some(length) = arrived.first_chunk::<4>() else {
        return Ok(Next::More);
    };
    let length = u32::from_be_bytes(*length) as usize;
    if length == 0 {
        return Ok(Next::End);
    }
    if length > HEAD_LIMIT {
        return Err(Damaged("a head is too long"));
    }
    let Some(head) = arrived.get(4..4 + length) else {
        return Ok(Next::More);
    };
    let head: Head = serde_json::from_slice(head).map_err(|_| Damaged("a head is not readable"))?;
    if head.octets > BODY_LIMIT {
        return Err(Damaged("a list is too long"));
    }
    let whole = 4 + length + head.octets;
    if arrived.len() < whole {
        // Asked for at once: chunk by chunk, a list of millions would be moved over and over.
        arrived.reserve(whole - arrived.len());
        return Ok(Next::More);
    }
    let mut frame = arrived.split_to(whole);
    frame.advance(4 + length);
    let octets = frame.freeze();
    let body = match head.from {
        None => Body::Whole(table_from_blob(&octets)?),
        Some(from) => Body::Step(from, change_from_blob(&octets)?),
    };
    let key = ListKey {
        environment: head.environment,
        issuer: head.issuer,
        partition: head.partition,
    };
    Ok(Next::Version(key, Arrived { head, body, octets }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use warikan_types::{RevocationReason, Serial};

    use super::*;
    use crate::{
        diff::{Listing, Revocation, diff, narrow},
        table::change_to_blob,
    };

    fn key() -> ListKey {
        ListKey {
            environment: Environment::Sandbox,
            issuer: IssuerKey([7; 32]),
            partition: Some(CrlPartition([9; 32])),
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds).unwrap()
    }

    fn long() -> Serial {
        Serial::from_octets(&[0x7f; 20]).unwrap()
    }

    fn listing(serials: &[u64]) -> Listing {
        let said = |seconds| Revocation {
            reason: RevocationReason::KeyCompromise,
            revoked_at: at(seconds),
        };
        let rows = serials.iter().map(|serial| {
            let serial = Serial::from_u64(*serial).unwrap();
            narrow(&serial, said(5)).unwrap()
        });
        Listing::new(rows.collect(), vec![(long(), said(-5))])
    }

    fn version(seq: i64, table: Table) -> ListStatus {
        ListStatus {
            id: Uuid::from_u128(4),
            seq,
            this_update: at(100 + seq),
            next_update: at(200),
            version: format!("v{seq}"),
            table,
        }
    }

    fn arrive(sent: &[u8], cut: usize) -> Vec<Arrived> {
        let mut arrived = BytesMut::new();
        let mut got = Vec::new();
        let mut ended = false;
        for piece in sent.chunks(cut) {
            arrived.extend_from_slice(piece);
            loop {
                match decode(&mut arrived).unwrap() {
                    Next::More => break,
                    Next::End => {
                        ended = true;
                        break;
                    }
                    Next::Version(to, one) => {
                        assert_eq!(to, key());
                        got.push(one);
                    }
                }
            }
        }
        assert!(ended);
        got
    }

    proptest! {
        #[test]
        fn a_list_arrives_as_it_was_sent_however_it_was_cut(
            serials in prop::collection::btree_set(1_u64.., 0..200),
            later in prop::collection::btree_set(1_u64.., 0..200),
            cut in 1_usize..700,
        ) {
            let serials: Vec<u64> = serials.into_iter().collect();
            let later: Vec<u64> = later.into_iter().chain(serials.iter().copied().skip(3)).collect();
            let one = version(1, Table::first(&listing(&serials)).unwrap());
            let change = diff(&one.table, &listing(&later));
            let two = version(2, one.table.apply(&[(2, &change)]).unwrap());
            let step = Step { from: 1, version: std::sync::Arc::new(two), change: change_to_blob(&change).into() };
            let mut sent = encode(&key(), &one);
            sent.extend(encode_step(&key(), &step));
            sent.extend(END);
            let mut arrived = arrive(&sent, cut).into_iter();
            let (got, _) = arrived.next().unwrap().onto(None).unwrap().unwrap();
            prop_assert_eq!((got.this_update, got.next_update, &got.version), (one.this_update, one.next_update, &one.version));
            prop_assert_eq!(&got.table, &one.table);
            let (then, kept) = arrived.next().unwrap().onto(Some(&got)).unwrap().unwrap();
            prop_assert_eq!(&then.table, &step.version.table);
            prop_assert_eq!(kept, Some(step.change));
            for serial in serials.iter().chain(&later).map(|one| Serial::from_u64(*one).unwrap()).chain([long()]) {
                prop_assert!(then.table.said(&serial).is_some());
            }
        }

        #[test]
        fn damaged_octets_never_panic(at in 0_usize..400, value in any::<u8>()) {
            let mut octets = encode(&key(), &version(1, Table::first(&listing(&[1, 2, 3, 70_000])).unwrap()));
            let place = at % octets.len();
            octets[place] = value;
            if let Ok(Next::Version(_, one)) = decode(&mut BytesMut::from(&octets[..])) {
                let _ = one.onto(None);
            }
        }
    }

    #[test]
    fn a_change_of_another_version_is_not_taken() {
        let one = version(1, Table::first(&listing(&[1])).unwrap());
        let change = diff(&one.table, &listing(&[1, 2]));
        let two = version(2, one.table.apply(&[(2, &change)]).unwrap());
        let step = Step {
            from: 1,
            version: std::sync::Arc::new(two),
            change: change_to_blob(&change).into(),
        };
        let mut sent = encode_step(&key(), &step);
        sent.extend(END);
        let arrived = || arrive(&sent, 7).pop().unwrap();
        assert!(arrived().onto(None).unwrap().is_none());
        let other = version(3, Table::first(&listing(&[1])).unwrap());
        assert!(arrived().onto(Some(&other)).unwrap().is_none());
        assert!(arrived().onto(Some(&one)).unwrap().is_some());
    }
}

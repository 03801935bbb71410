//! One list on the wire: the head's length (4 octets, big-endian), the head as JSON, the bitmap of revoked serials in
//! roaring's portable form, then nine octets for each of them in the same order: reason (RFC 5280 5.3.1) and date (microseconds
//! since 1970, big-endian). A head of length 0 says that the answer is whole.

use bytes::{Buf, BytesMut};
use roaring::RoaringTreemap;
use serde::{Deserialize, Serialize};
use warikan_types::{CrlPartition, Environment, IssuerKey, RevocationReason, Serial, Timestamp};

use crate::{
    diff::Revocation,
    status::{ListKey, ListStatus},
};

/// Octets of reason and date.
const DETAIL: usize = 9;
/// No head of ours is nearly as long: it grows only with serials beyond 64 bits.
const HEAD_LIMIT: usize = 16 << 20;
/// A bitmap of more octets is none of ours: 5 million dense serials take less than one.
const BITMAP_LIMIT: usize = 512 << 20;

/// Ends an answer.
pub(super) const END: [u8; 4] = [0; 4];

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    environment: Environment,
    issuer: IssuerKey,
    partition: Option<CrlPartition>,
    this_update: Timestamp,
    next_update: Timestamp,
    version: String,
    bitmap_octets: usize,
    entries: usize,
    large: Vec<(Serial, u8, Timestamp)>,
}

/// What came is not what [`encode`] writes.
#[derive(Debug, thiserror::Error)]
#[error("a list on the wire is damaged: {0}")]
pub struct Damaged(&'static str);

pub(super) fn encode(key: &ListKey, list: &ListStatus) -> Vec<u8> {
    let (bitmap, details, large) = list.parts();
    let head = Head {
        environment: key.environment,
        issuer: key.issuer,
        partition: key.partition,
        this_update: list.this_update,
        next_update: list.next_update,
        version: list.version.clone(),
        bitmap_octets: bitmap.serialized_size(),
        entries: details.len(),
        large: large
            .iter()
            .map(|(serial, one)| (serial.clone(), one.reason.code(), one.revoked_at))
            .collect(),
    };
    // Plain data into memory: neither can fail.
    let head = serde_json::to_vec(&head).unwrap_or_default();
    let length = u32::try_from(head.len()).unwrap_or(u32::MAX);
    let mut out = length.to_be_bytes().to_vec();
    out.extend(head);
    let _ = bitmap.serialize_into(&mut out);
    for one in details {
        out.push(one.reason.code());
        out.extend(one.revoked_at.utc().timestamp_micros().to_be_bytes());
    }
    out
}

/// What lies at the beginning of what has arrived.
pub(super) enum Next {
    /// Not whole yet.
    More,
    /// The answer ends here.
    End,
    /// A list; its octets are taken away.
    List(ListKey, ListStatus),
}

/// Takes the next list out of `arrived`.
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
    if head.bitmap_octets > BITMAP_LIMIT || head.entries > BITMAP_LIMIT {
        return Err(Damaged("a list is too long"));
    }
    let whole = 4 + length + head.bitmap_octets + head.entries * DETAIL;
    if arrived.len() < whole {
        // Asked for at once: chunk by chunk, a list of millions would be moved over and over.
        arrived.reserve(whole - arrived.len());
        return Ok(Next::More);
    }
    let mut frame = arrived.split_to(whole);
    frame.advance(4 + length);
    let bitmap = frame.split_to(head.bitmap_octets);
    let bitmap = RoaringTreemap::deserialize_from(&bitmap[..])
        .map_err(|_| Damaged("a bitmap is not readable"))?;
    if bitmap.len() != head.entries as u64 {
        return Err(Damaged("a bitmap does not fit its entries"));
    }
    let rows = bitmap
        .iter()
        .zip(frame.chunks_exact(DETAIL))
        .map(|(serial, detail)| {
            Ok((
                Serial::from_u64(serial).map_err(|_| BAD)?,
                detail_of(detail)?,
            ))
        })
        .collect::<Result<Vec<_>, Damaged>>()?;
    let large = head
        .large
        .into_iter()
        .map(|(serial, code, at)| Ok((serial, revocation(code, at)?)))
        .collect::<Result<Vec<_>, Damaged>>()?;
    let key = ListKey {
        environment: head.environment,
        issuer: head.issuer,
        partition: head.partition,
    };
    let rows = rows.into_iter().chain(large);
    let list = ListStatus::new(head.this_update, head.next_update, head.version, rows);
    Ok(Next::List(key, list))
}

const BAD: Damaged = Damaged("an entry is not readable");

fn detail_of(octets: &[u8]) -> Result<Revocation, Damaged> {
    let (code, at) = octets.split_first().ok_or(BAD)?;
    let micros = i64::from_be_bytes(at.try_into().map_err(|_| BAD)?);
    let at = chrono::DateTime::from_timestamp_micros(micros).ok_or(BAD)?;
    revocation(*code, Timestamp::new(at))
}

fn revocation(code: u8, revoked_at: Timestamp) -> Result<Revocation, Damaged> {
    let reason = RevocationReason::from_code(code).ok_or(BAD)?;
    Ok(Revocation { reason, revoked_at })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample(serials: &[u64]) -> (ListKey, ListStatus) {
        let key = ListKey {
            environment: Environment::Sandbox,
            issuer: IssuerKey([7; 32]),
            partition: Some(CrlPartition([9; 32])),
        };
        let at = |seconds| Timestamp::from_unix(seconds).unwrap();
        let long = Serial::from_octets(&[0x7f; 20]).unwrap();
        let revocation = |seconds| Revocation {
            reason: RevocationReason::KeyCompromise,
            revoked_at: at(seconds),
        };
        let rows = serials
            .iter()
            .enumerate()
            .map(|(index, serial)| {
                let seconds = i64::try_from(index).unwrap();
                (Serial::from_u64(*serial).unwrap(), revocation(seconds))
            })
            .chain([(long, revocation(-5))]);
        (
            key,
            ListStatus::new(at(100), at(200), "v1".to_owned(), rows),
        )
    }

    proptest! {
        #[test]
        fn a_list_arrives_as_it_was_sent_however_it_was_cut(
            serials in prop::collection::btree_set(1_u64.., 0..200),
            cut in 1_usize..700,
        ) {
            let serials: Vec<u64> = serials.into_iter().collect();
            let (key, list) = sample(&serials);
            let mut sent = encode(&key, &list);
            sent.extend(END);
            let mut arrived = BytesMut::new();
            let mut got = None;
            let mut ended = false;
            for piece in sent.chunks(cut) {
                arrived.extend_from_slice(piece);
                loop {
                    match decode(&mut arrived).unwrap() {
                        Next::More => break,
                        Next::End => { ended = true; break }
                        Next::List(key, list) => got = Some((key, list)),
                    }
                }
            }
            let (got_key, got) = got.unwrap();
            prop_assert!(ended);
            prop_assert_eq!(got_key, key);
            prop_assert_eq!((got.this_update, got.next_update, &got.version), (list.this_update, list.next_update, &list.version));
            for serial in serials.iter().map(|one| Serial::from_u64(*one).unwrap()).chain([Serial::from_octets(&[0x7f; 20]).unwrap()]) {
                prop_assert_eq!(got.find(&serial), list.find(&serial));
                prop_assert!(got.find(&serial).is_some());
            }
        }

        #[test]
        fn damaged_octets_never_panic(at in 0_usize..300, value in any::<u8>()) {
            let (key, list) = sample(&[1, 2, 3, 70_000]);
            let mut octets = encode(&key, &list);
            let place = at % octets.len();
            octets[place] = value;
            let _ = decode(&mut BytesMut::from(&octets[..]));
        }
    }
}

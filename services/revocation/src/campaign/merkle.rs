//! The tree over a campaign's results: Merkle Tree Hash and audit path of RFC 6962 2.1, with SHA-256.
//!
//! A campaign keeps its results in chunks of [`CHUNK`] leaves. That is a power of two, so that the tree over all leaves splits at
//! the chunks' borders, and its upper part is the tree over the chunks' roots.

use warikan_pki::sha256;

/// A hash of the tree.
pub(crate) type Hash = [u8; 32];

/// Leaves of a whole chunk.
pub(crate) const CHUNK: usize = 4_096;

/// MTH of one entry: SHA-256(0x00 || entry).
pub(crate) fn leaf(entry: &[u8]) -> Hash {
    let mut octets = Vec::with_capacity(1 + entry.len());
    octets.push(0);
    octets.extend_from_slice(entry);
    sha256(&octets)
}

/// SHA-256(0x01 || left || right).
fn node(left: &Hash, right: &Hash) -> Hash {
    let mut octets = [1; 65];
    octets[1..33].copy_from_slice(left);
    octets[33..].copy_from_slice(right);
    sha256(&octets)
}

/// The largest power of two below `count`, which is at least 2.
const fn split(count: usize) -> usize {
    1 << (usize::BITS - 1 - (count - 1).leading_zeros())
}

/// The root over hashes of leaves, or of chunks that are whole but for the last.
pub(crate) fn root(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => sha256(b""),
        [one] => *one,
        more => {
            let (left, right) = more.split_at(split(more.len()));
            node(&root(left), &root(right))
        }
    }
}

/// The audit path of a hash (RFC 6962 2.1.1), from its neighbour up to the root's other child.
pub(crate) fn path(place: usize, hashes: &[Hash]) -> Vec<Hash> {
    if hashes.len() < 2 {
        return Vec::new();
    }
    let (left, right) = hashes.split_at(split(hashes.len()));
    if place < left.len() {
        let mut below = path(place, left);
        below.push(root(right));
        below
    } else {
        let mut below = path(place - left.len(), right);
        below.push(root(left));
        below
    }
}

/// The root that a leaf, its place among `count` and its audit path lead to (RFC 9162 2.1.3.2); `None` where they cannot belong
/// together.
pub(crate) fn root_of_path(hash: Hash, place: usize, count: usize, path: &[Hash]) -> Option<Hash> {
    let mut last = count.checked_sub(1)?;
    if place > last {
        return None;
    }
    let (mut place, mut hash) = (place, hash);
    for neighbour in path {
        if last == 0 {
            return None;
        }
        if place % 2 == 1 || place == last {
            hash = node(neighbour, &hash);
            while place.is_multiple_of(2) && place != 0 {
                place /= 2;
                last /= 2;
            }
        } else {
            hash = node(&hash, neighbour);
        }
        place /= 2;
        last /= 2;
    }
    (last == 0).then_some(hash)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn leaves(count: usize) -> Vec<Hash> {
        (0..count)
            .map(|number| leaf(number.to_string().as_bytes()))
            .collect()
    }

    #[test]
    fn the_tree_is_that_of_rfc_6962() {
        // The reference values of the Certificate Transparency project's tests for these eight entries.
        let entries = [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        ];
        let hashes: Vec<Hash> = entries
            .iter()
            .map(|entry| leaf(&hex::decode(entry).unwrap()))
            .collect();
        for (count, expected) in [
            (
                0,
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            ),
            (
                1,
                "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            ),
            (
                2,
                "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            ),
            (
                3,
                "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            ),
            (
                7,
                "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            ),
            (
                8,
                "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
            ),
        ] {
            assert_eq!(hex::encode(root(&hashes[..count])), expected, "{count}");
        }
    }

    #[test]
    fn chunks_are_subtrees_of_the_whole() {
        for count in [1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 17] {
            let all = leaves(count);
            let roots: Vec<Hash> = all.chunks(CHUNK).map(root).collect();
            assert_eq!(root(&roots), root(&all), "{count}");
            for place in [0, count / 2, count - 1] {
                let (chunk, within) = (place / CHUNK, place % CHUNK);
                let inside = all.chunks(CHUNK).nth(chunk).unwrap();
                let mut steps = path(within, inside);
                steps.extend(path(chunk, &roots));
                assert_eq!(steps, path(place, &all));
            }
        }
    }

    proptest! {
        #[test]
        fn a_path_leads_from_its_leaf_alone_to_the_root(count in 1_usize..300, at in any::<prop::sample::Index>(), other in any::<prop::sample::Index>()) {
            let all = leaves(count);
            let (place, elsewhere) = (at.index(count), other.index(count));
            let steps = path(place, &all);
            let whole = Some(root(&all));
            prop_assert_eq!(root_of_path(all[place], place, count, &steps), whole);
            if elsewhere != place {
                prop_assert_ne!(root_of_path(all[elsewhere], place, count, &steps), whole);
                prop_assert_ne!(root_of_path(all[place], elsewhere, count, &steps), whole);
            }
            prop_assert_ne!(root_of_path(leaf(b"another"), place, count, &steps), whole);
            prop_assert_eq!(root_of_path(all[place], count, count, &steps), None);
        }
    }
}

//! Which disk of a node a block goes to: a weighted rendezvous of the usable disks. Pure.
//!
//! Each disk draws a number for each run of 64 blocks of a body, from its own identity, and the one that draws the longest
//! lot has it. A disk's chance is as its weight; a disk that goes takes no other run with it than its own, and gets those
//! back when it returns. Runs, so that what is read together lies together.

use xxhash_rust::xxh3::xxh3_64;

use super::BlockId;

/// Blocks of a body that go to the same disk.
const RUN: u32 = 64;

/// A disk that may be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// The disk's identity: the same wherever and in whatever order it is configured.
    pub id: u128,
    /// Its share is as its weight: its capacity.
    pub weight: u64,
}

/// The member that has a block, by its place in `members`; none where there are none.
pub fn choose(members: &[Member], block: BlockId) -> Option<usize> {
    let lots = members.iter().map(|member| lot(member, block)).enumerate();
    let longest = lots.reduce(|best, other| if other.1 > best.1 { other } else { best });
    longest.map(|(place, _)| place)
}

/// A number that is greater than every other member's with a chance that is as the weight: `weight / -ln(u)` with `u` drawn
/// evenly from (0, 1).
fn lot(member: &Member, block: BlockId) -> f64 {
    let mut drawn_from = [0; 36];
    drawn_from[..16].copy_from_slice(&member.id.to_be_bytes());
    drawn_from[16..32].copy_from_slice(&block.body.0.to_be_bytes());
    drawn_from[32..].copy_from_slice(&(block.index / RUN).to_be_bytes());
    // 52 bits and a half: exact in a float, and neither 0 nor 1.
    let drawn = (as_float(xxh3_64(&drawn_from) >> 12) + 0.5) / as_float(1 << 52);
    as_float(member.weight) / -drawn.ln()
}

/// What is drawn has 52 bits, and a capacity need not be exact.
fn as_float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::BodyDigest;

    fn member(id: u128, weight: u64) -> Member {
        Member { id, weight }
    }

    fn block(body: u128, index: u32) -> BlockId {
        let body = BodyDigest(body);
        BlockId { body, index }
    }

    /// Where 20,000 bodies go.
    fn chosen(members: &[Member]) -> Vec<u128> {
        let bodies = 0..20_000;
        let place = |body| choose(members, block(body, 0)).expect("there are members");
        bodies.map(|body| members[place(body)].id).collect()
    }

    fn share(chosen: &[u128], id: u128) -> f64 {
        let hits = chosen.iter().filter(|it| **it == id).count();
        hits as f64 / chosen.len() as f64
    }

    #[test]
    fn choices_are_golden() {
        // A change of them leaves what disks hold where nobody looks for it.
        let members = [member(1, 100), member(2, 100), member(3, 200)];
        let choices: Vec<_> = (0..24)
            .map(|body| choose(&members, block(body, 64)).expect("there are members"))
            .collect();
        assert_eq!(
            choices,
            [
                2, 2, 2, 2, 2, 2, 0, 0, 1, 1, 1, 2, 1, 2, 2, 0, 0, 2, 2, 2, 1, 1, 0, 1
            ]
        );
    }

    #[test]
    fn no_disk_no_choice() {
        assert_eq!(choose(&[], block(1, 1)), None);
    }

    #[test]
    fn shares_are_as_the_weights() {
        let chosen = chosen(&[member(1, 1 << 40), member(2, 1 << 40), member(3, 2 << 40)]);
        for (id, expected) in [(1, 0.25), (2, 0.25), (3, 0.5)] {
            let share = share(&chosen, id);
            assert!((share - expected).abs() < 0.015, "{id}: {share}");
        }
    }

    #[test]
    fn a_disk_that_goes_moves_only_what_it_had_and_gets_it_back() {
        let all = [member(1, 10), member(2, 20), member(3, 30)];
        let (with, without) = (chosen(&all), chosen(&[all[0], all[2]]));
        for (before, after) in with.iter().zip(&without) {
            assert!(before == after || *before == 2);
        }
        let reordered = chosen(&[all[2], all[0], all[1]]);
        assert_eq!(
            with, reordered,
            "the order of the configuration does not count"
        );
    }

    #[test]
    fn a_disk_that_grows_only_gains() {
        let before = chosen(&[member(1, 10), member(2, 20)]);
        let after = chosen(&[member(1, 10), member(2, 30)]);
        let moved = before
            .iter()
            .zip(&after)
            .filter(|(one, other)| one != other);
        assert!(moved.clone().all(|(_, to)| *to == 2));
        let moved = moved.count() as f64 / before.len() as f64;
        assert!((moved - (0.75 - 2.0 / 3.0)).abs() < 0.015);
    }

    #[test]
    fn neighbours_go_to_the_same_disk_and_a_long_body_to_all() {
        let members: Vec<_> = (0..4).map(|id| member(id, 1)).collect();
        let place = |index| choose(&members, block(9, index));
        assert!((0..64).all(|index| place(index) == place(0)));
        let places: std::collections::BTreeSet<_> = (0..64).map(|run| place(64 * run)).collect();
        assert_eq!(places.len(), 4);
    }
}

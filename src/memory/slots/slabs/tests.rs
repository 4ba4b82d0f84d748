use std::thread;

use super::*;

const MIB: usize = 1 << 20;

/// Free and lost slots of the slab with that number.
fn slab(slabs: &Slabs, number: usize) -> (u32, u32) {
    let slab = &slabs.lock().slabs[number];
    (slab.free, slab.lost)
}

#[test]
fn slots_of_a_size_lie_side_by_side() {
    let slabs = Slabs::default();
    let taken: Vec<_> = (0..32).map(|_| slabs.take(0)).collect();
    assert!(taken.iter().all(|slot| slot.slab == taken[0].slab));
    let starts: Vec<_> = taken.iter().map(|it| it.start().addr().get()).collect();
    assert!(starts.windows(2).all(|it| it[1] - it[0] == bytes_of(0)));
    assert_eq!(slabs.lock().kept, 0);
    let other = slabs.take(4);
    assert_ne!(other.slab, taken[0].slab);
    assert_eq!(slabs.lock().kept, MIB);
    taken.into_iter().for_each(|slot| slabs.give_back(slot));
    // All of the first slab is free: another size may have it.
    let next = [slabs.take(4), slabs.take(4)];
    assert_eq!(next[0].slab, other.slab);
    assert_ne!(next[1].slab, other.slab);
    assert_eq!(slabs.lock().kept, MIB);
    assert_eq!(slabs.lock().bare.len(), 30);
}

#[test]
fn whole_slabs_lose_their_memory_before_single_slots_do() {
    let slabs = Slabs::keeping(4 * MIB);
    let mut taken: Vec<_> = (0..8).map(|_| slabs.take(4)).collect();
    let first = index(taken[0].slab);
    // One slot of the first slab is free, and two whole slabs.
    for slot in taken.drain(3..).collect::<Vec<_>>() {
        slabs.give_back(slot);
    }
    let state = slabs.lock();
    assert_eq!((state.kept, state.idle.len()), (3 * MIB, 1));
    drop(state);
    assert_eq!(slab(&slabs, first), (0, 0));
    // Slots of which one of each slab is in use leave no whole slab: the oldest lose their free ones.
    let small: Vec<_> = (0..4 * 32).map(|_| slabs.take(0)).collect();
    let number = index(small[0].slab);
    let (stay, go): (Vec<_>, Vec<_>) = small.into_iter().partition(|slot| slot.number == 0);
    go.into_iter().for_each(|slot| slabs.give_back(slot));
    assert!(slabs.lock().kept <= 4 * MIB);
    assert_eq!(slab(&slabs, number), (0, u32::MAX - 1));
    // What has lost its memory is not used before all of its slab is free.
    stay.into_iter().for_each(|slot| slabs.give_back(slot));
    assert_eq!(slab(&slabs, number), (0, u32::MAX));
    assert!(
        slabs
            .lock()
            .bare
            .contains(&u32::try_from(number).expect("small"))
    );
    taken.into_iter().for_each(|slot| slabs.give_back(slot));
    let state = slabs.lock();
    assert!(state.partly.iter().all(Vec::is_empty));
    assert_eq!(state.idle.len() * HUGE_PAGE, state.kept);
    assert_eq!(state.idle.len() + state.bare.len(), state.slabs.len());
}

#[tokio::test]
async fn what_is_taken_was_given_memory_ahead() {
    let slabs = Slabs::default();
    slabs.prepare();
    let prepared = |slabs: &Slabs| {
        let state = slabs.lock();
        (state.kept, state.idle.len(), state.bare.len())
    };
    assert_eq!(prepared(&slabs), (AHEAD, 4, 28));
    let taken = [4, 4, 0, 2].map(|size| slabs.take(size));
    assert_eq!(prepared(&slabs).1, 1);
    slabs.short().await;
    slabs.prepare();
    assert_eq!(prepared(&slabs).2, 27);
    taken.into_iter().for_each(|slot| slabs.give_back(slot));
    // All of it and what was given back is free, and nobody is short of it.
    assert_eq!(prepared(&slabs), (10 * MIB, 5, 27));
    slabs.give_back(slabs.take(4));
    slabs.prepare();
    assert_eq!(prepared(&slabs).1, 5);
}

#[tokio::test]
async fn who_has_to_wait_for_memory_asks_for_more_ahead() {
    let slabs = Slabs::keeping(4 * MIB);
    let slot = slabs.take(4);
    slabs.short().await;
    slabs.prepare();
    let state = slabs.lock();
    assert_eq!((state.kept, state.idle.len()), (3 * MIB, 1));
    drop(state);
    slabs.give_back(slot);
    assert_eq!(slabs.lock().kept, 4 * MIB);
}

#[test]
fn nobody_gets_what_another_has_and_nothing_in_use_is_lost() {
    let slabs = Slabs::keeping(2 * MIB);
    let work = |seed: u64| {
        let mut random = seed;
        let mut held: Vec<(Slot, usize, u64)> = Vec::new();
        for turn in 0..4000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(seed);
            let draw = usize::try_from(random >> 40).expect("24 bits");
            if draw % 64 == 0 {
                slabs.prepare();
            } else if held.len() > 60 || draw % 3 == 0 && !held.is_empty() {
                let (slot, size, mark) = held.swap_remove(draw % held.len());
                assert_eq!(ends(&slot, size), (mark, mark));
                slabs.give_back(slot);
            } else {
                let (size, mark) = (draw % SIZES, seed << 32 | turn);
                let slot = slabs.take(size);
                write(&slot, size, mark);
                held.push((slot, size, mark));
            }
        }
        held.into_iter()
            .for_each(|(slot, ..)| slabs.give_back(slot));
    };
    thread::scope(|scope| (1..5).for_each(|seed| drop(scope.spawn(move || work(seed)))));
    let state = slabs.lock();
    assert!(state.kept <= 2 * MIB && state.partly.iter().all(Vec::is_empty));
    assert_eq!(state.idle.len() * HUGE_PAGE, state.kept);
    assert_eq!(state.idle.len() + state.bare.len(), state.slabs.len());
}

fn ends(slot: &Slot, size: usize) -> (u64, u64) {
    (slot.run.look(0), slot.run.look(bytes_of(size) - 8))
}

fn write(slot: &Slot, size: usize, mark: u64) {
    slot.run.mark(0, mark);
    slot.run.mark(bytes_of(size) - 8, mark);
}

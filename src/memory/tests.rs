use super::*;

const MIB: u64 = 1 << 20;

fn memory() -> Memory {
    Memory::new(Config { limit: 256 * MIB })
}

#[test]
fn the_shares_add_up_to_the_limit() {
    let memory = memory();
    assert_eq!(
        memory.tier_capacity() + memory.records_capacity() + memory.account.working,
        memory.limit()
    );
}

#[test]
fn no_pool_takes_the_floor_of_another() {
    let memory = memory();
    let mut held = Vec::new();
    while let Ok(reservation) = memory.try_reserve(Pool::Fill, MIB) {
        held.push(reservation);
    }
    assert_eq!(
        memory.used(Pool::Fill),
        memory.account.working / 8 * 6,
        "its floor and all that is shared"
    );
    assert!(
        memory
            .try_reserve(Pool::Entry, memory.account.working / 8)
            .is_ok()
    );
    assert!(
        memory
            .try_reserve(Pool::Upload, memory.account.working / 8)
            .is_ok()
    );
}

#[tokio::test(start_paused = true)]
async fn waiters_are_served_in_order_and_give_up_at_their_deadline() {
    let memory = memory();
    let all = memory.account.working / 8 * 6;
    let held = memory.try_reserve(Pool::Fill, all).expect("all is free");
    let patience = Duration::from_secs(5);
    assert_eq!(
        memory.reserve(Pool::Fill, MIB, patience).await.err(),
        Some(Exhausted)
    );
    let (first, second) = (memory.clone(), memory.clone());
    let first = async move { first.reserve(Pool::Fill, all, patience).await };
    let second = async move { second.reserve(Pool::Fill, MIB, patience).await };
    let release = async move { drop(held) };
    let (first, second, ()) = tokio::join!(first, second, release);
    assert!(first.is_ok(), "the first in the queue gets it");
    assert_eq!(
        second.err(),
        Some(Exhausted),
        "the second does not overtake, and waits no longer than it said"
    );
    drop(first);
    assert_eq!(memory.used(Pool::Fill), 0);
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_lets_those_behind_pass() {
    let memory = memory();
    let all = memory.account.working / 8 * 6;
    let _held = memory.try_reserve(Pool::Fill, all - MIB).expect("free");
    let (first, second) = (memory.clone(), memory.clone());
    let hasty = Duration::from_secs(1);
    let first = async move { first.reserve(Pool::Fill, 2 * MIB, hasty).await.err() };
    let second = async move { second.reserve(Pool::Fill, MIB, 5 * hasty).await.is_ok() };
    let started = tokio::time::Instant::now();
    assert_eq!(tokio::join!(first, second), (Some(Exhausted), true));
    assert_eq!(started.elapsed(), hasty);
    let (left, next) = (memory.clone(), memory.clone());
    let mut left = Box::pin(async move { left.reserve(Pool::Fill, 2 * MIB, hasty).await });
    assert!(futures::poll!(&mut left).is_pending());
    drop(left);
    assert!(next.try_reserve(Pool::Fill, MIB).is_ok(), "nobody waits");
}

#[test]
fn windows_shrink_with_the_number_of_bodies() {
    let memory = memory();
    let few: Vec<_> = (0..2).map(|_| memory.open_body()).collect();
    assert_eq!(memory.window(), 36 * MIB);
    let many: Vec<_> = (0..254).map(|_| memory.open_body()).collect();
    assert_eq!(memory.window(), 4 * PAGE);
    drop((few, many));
    assert_eq!(memory.window(), 64 * MIB);
}

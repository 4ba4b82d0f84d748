//! The generator against the synthetic origin.

use super::*;
use crate::origin::{Origin, Set};

fn target(origin: &Origin) -> Target {
    Target {
        address: origin.address,
        bucket: "b".into(),
        region: "us-east-1".into(),
        credentials: Some(Credentials {
            id: "A".into(),
            secret: "S".into(),
        }),
        tls: None,
    }
}

fn once(clients: usize) -> Plan {
    Plan {
        clients,
        check_one_in: 1,
        end: End::Once,
    }
}

#[tokio::test]
async fn every_request_is_sent_once_and_every_body_checked() {
    let sets = [Set::new("o", 100 << 10, 50), Set::new("o", 1 << 20, 3)];
    let origin = Origin::local(sets.to_vec()).await.unwrap();
    let asks = shuffled(whole(&sets), 1).into();
    let outcome = run(&target(&origin), &asks, once(4)).await;
    assert_eq!(outcome.complaints(), None);
    assert_eq!((outcome.answers, outcome.checked), (53, 53));
    assert_eq!(outcome.bytes, ((50 * 100) << 10) + (3 << 20));
    assert_eq!(origin.counted().gets, 53);
    assert_eq!(outcome.latency.len(), 53);
}

#[tokio::test]
async fn bytes_of_another_generation_are_wrong() {
    let origin = Origin::local(Vec::new()).await.unwrap();
    let stale = Ask {
        generation: 1,
        ..Ask::whole("o/1KiB/0", 1 << 10)
    };
    let outcome = run(&target(&origin), &[stale].into(), once(1)).await;
    assert_eq!(outcome.wrong, 1);
    assert_eq!(outcome.complaints().as_deref(), Some("1 wrong bodies"));
}

#[tokio::test]
async fn writes_are_read_back_and_deletes_are_seen() {
    let origin = Origin::local(Vec::new()).await.unwrap();
    let mut client = Client::new(&target(&origin));
    let mut outcome = Outcome::default();
    let get = Ask {
        generation: 5,
        ..Ask::whole("o/300KiB/0", 300 << 10)
    };
    let put = Ask {
        verb: Verb::Put,
        ..get.clone()
    };
    let delete = Ask {
        verb: Verb::Delete,
        ..get.clone()
    };
    for ask in [&put, &get, &delete] {
        client.send(ask, true, &mut outcome).await;
    }
    assert_eq!(outcome.complaints(), None);
    assert_eq!((outcome.answers, outcome.checked), (3, 1));
    client.send(&get, true, &mut outcome).await;
    assert_eq!(outcome.complaints().as_deref(), Some("1 x GET 404"));
}

#[tokio::test]
async fn a_run_by_time_begins_its_row_anew_and_ends() {
    let set = Set::new("o", 1 << 10, 2);
    let origin = Origin::local(Vec::new()).await.unwrap();
    let plan = Plan {
        clients: 2,
        check_one_in: 3,
        end: End::After(Duration::from_millis(300)),
    };
    let outcome = run(&target(&origin), &whole(&[set]).into(), plan).await;
    assert_eq!(outcome.complaints(), None);
    assert!(outcome.answers > 2, "{}", outcome.answers);
    assert!(outcome.checked.abs_diff(outcome.answers / 3) <= 2);
    assert!(outcome.elapsed >= Duration::from_millis(300));
}

/// Thirty reads, of which the origin holds up just the 22nd (index 21) for a second.
async fn with_one_stall() -> (Origin, Arc<[Ask]>) {
    let set = Set::new("o", 300 << 10, 30);
    let origin = Origin::local(Vec::new()).await.unwrap();
    origin.set_terms(crate::origin::Terms {
        stall_rate: 0.03,
        stall_ms: 1000,
        ..Default::default()
    });
    (origin, whole(&[set]).into())
}

fn slower_than_900_ms(latency: &hdrhistogram::Histogram<u64>) -> u64 {
    latency.count_between(900_000, 600_000_000)
}

#[tokio::test]
async fn an_open_loop_counts_the_wait_of_those_behind_a_stall() {
    let (origin, asks) = with_one_stall().await;
    let plan = Open {
        arrivals: Arrivals::constant(100.0, Duration::from_millis(300)),
        connections: 1,
        drain: Duration::from_secs(20),
        check_one_in: 1,
    };
    let sent = Sent::default();
    let outcome = run_open(&target(&origin), &Order::in_turn(&asks), &plan, &sent).await;
    assert_eq!(outcome.complaints(), None);
    assert_eq!((outcome.answers, outcome.checked, sent.now()), (30, 30, 30));
    assert_eq!(outcome.unfinished, 0);
    assert_eq!(origin.counted().stalls, 1);
    // It, and the eight that were due up to 80 ms later and had to wait for the connection.
    assert_eq!(slower_than_900_ms(&outcome.latency), 9);
    assert_eq!(slower_than_900_ms(&outcome.waited), 8);
    assert_eq!(outcome.latency.len(), 30);
}

#[tokio::test]
async fn a_closed_loop_leaves_them_out_until_it_is_corrected() {
    let (origin, asks) = with_one_stall().await;
    let outcome = run(&target(&origin), &asks, once(1)).await;
    assert_eq!(outcome.complaints(), None);
    assert_eq!(origin.counted().stalls, 1);
    assert_eq!(slower_than_900_ms(&outcome.latency), 1);
    let corrected = outcome.corrected(Duration::from_millis(10));
    let put_in = slower_than_900_ms(&corrected);
    // One each 10 ms below the one that was stalled, but for the rounding of histograms.
    let expected = (outcome.latency.max() - 900_000) / 10_000 + 1;
    assert!(expected >= 10 && put_in.abs_diff(expected) <= 1, "{put_in}");
}

#[tokio::test]
async fn what_has_no_answer_when_an_open_loop_ends_is_unfinished() {
    let (origin, asks) = with_one_stall().await;
    let plan = Open {
        arrivals: Arrivals::constant(100.0, Duration::from_millis(300)),
        connections: 1,
        drain: Duration::from_millis(500),
        check_one_in: 0,
    };
    let order = Order::in_turn(&asks);
    let outcome = run_open(&target(&origin), &order, &plan, &Sent::default()).await;
    assert_eq!(outcome.complaints(), None);
    assert_eq!((outcome.answers, outcome.unfinished), (21, 9));
    assert_eq!(outcome.latency.len(), 30);
    assert!(
        outcome.elapsed < Duration::from_millis(1100),
        "{:?}",
        outcome.elapsed
    );
}

#[tokio::test]
async fn answers_are_counted_over_time() {
    let set = Set::new("o", 1 << 10, 10);
    let origin = Origin::local(Vec::new()).await.unwrap();
    let plan = Open {
        arrivals: Arrivals::constant(40.0, Duration::from_millis(1250)),
        connections: 2,
        drain: Duration::from_secs(20),
        check_one_in: 0,
    };
    let order = Order::epochs(&whole(&[set]).into(), 1);
    let outcome = run_open(&target(&origin), &order, &plan, &Sent::default()).await;
    assert_eq!(outcome.complaints(), None);
    assert_eq!((outcome.answers, outcome.bytes), (50, 50 << 10));
    let rates = outcome.series.answers_a_second();
    assert!(rates.len() >= 4, "{rates:?}");
    // Ten of 40 a second fall into the first quarter of a second, but for those that come late.
    assert!((4.0..=44.0).contains(&rates[0].1), "{rates:?}");
}

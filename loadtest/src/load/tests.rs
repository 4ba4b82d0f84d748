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

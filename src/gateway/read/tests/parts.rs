//! Parts by their number: learnt from the origin's answers, then answered from here.

use http::StatusCode;
use http_body_util::BodyExt;

use super::super::{Read, ReadMethod};
use super::origin::{Seen, pattern};
use super::{MIB, World, default_world, get, part, range};
use crate::gateway::Error;
use crate::types::Source;

const SIZES: [u64; 3] = [3 * MIB, 2 * MIB + 5, 100];
const SIZE: u64 = 5 * MIB + 105;

/// A world with an object of three parts.
fn world() -> World {
    let world = default_world();
    world.origin.put("k", pattern(SIZE, 1), "v1");
    world.origin.set_parts("k", &SIZES);
    world
}

fn seen(number: u64, bytes: bool) -> Seen {
    Seen::Part { number, bytes }
}

/// The answer's status, source, place, count of parts and bytes.
async fn told(world: &World, read: Read) -> (u16, Source, String, String, usize) {
    let answer = world.answer(read).await.expect("an answer");
    let (head, body) = answer.response.into_parts();
    let text = |name: &str| {
        let value = head.headers.get(name).map(|value| value.to_str().unwrap());
        value.unwrap_or_default().to_owned()
    };
    let (place, count) = (text("content-range"), text("x-amz-mp-parts-count"));
    let body = body.collect().await.expect("a body").to_bytes();
    (
        head.status.as_u16(),
        answer.source,
        place,
        count,
        body.len(),
    )
}

#[tokio::test]
async fn the_first_read_of_a_part_is_one_request_and_the_second_is_none() {
    let world = world();
    let place = format!("bytes 0-{}/{SIZE}", 3 * MIB - 1);
    for (source, requests) in [
        (Source::Origin, vec![seen(1, true)]),
        (Source::Memory, vec![]),
    ] {
        let length = 3 << 20;
        let expected = (206, source, place.clone(), "3".to_owned(), length);
        assert_eq!(told(&world, part("k", "1")).await, expected);
        assert_eq!(world.origin.seen(), requests);
    }
    let head = Read {
        method: ReadMethod::Head,
        ..part("k", "1")
    };
    let expected = (206, Source::Memory, place, "3".to_owned(), 0);
    assert_eq!(told(&world, head).await, expected);
    let (_, source, bytes) = world.read(range("k", "bytes=1000000-1999999")).await;
    assert_eq!(
        (source, bytes),
        (Source::Memory, pattern(SIZE, 1).slice(1_000_000..2_000_000))
    );
    assert_eq!(world.origin.seen(), []);
}

#[tokio::test]
async fn every_part_has_its_own_bytes_and_costs_one_request() {
    let world = world();
    let mut start = 0;
    for (number, size) in (1..).zip(SIZES) {
        for source in [Source::Origin, Source::Memory] {
            let (status, told, bytes) = world.read(part("k", &number.to_string())).await;
            let expected = pattern(SIZE, 1).slice(start..start + usize::try_from(size).unwrap());
            assert_eq!((status, told), (StatusCode::PARTIAL_CONTENT, source));
            assert!(bytes == expected, "the bytes of part {number}");
        }
        start += usize::try_from(size).unwrap();
        assert_eq!(world.origin.seen(), [seen(number, true)]);
    }
    assert_eq!(world.read(get("k")).await.2, pattern(SIZE, 1));
    assert_eq!(world.origin.seen(), []);
}

#[tokio::test]
async fn readers_of_one_part_share_one_request() {
    let world = world();
    let readers = (0..20).map(|_| world.read(part("k", "2")));
    let answers = futures::future::join_all(readers).await;
    let expected = pattern(SIZE, 1).slice(3 << 20..(5 << 20) + 5);
    assert!(answers.iter().all(|(_, _, bytes)| *bytes == expected));
    assert_eq!(world.origin.seen(), [seen(2, true)]);
}

#[tokio::test]
async fn where_the_bytes_are_here_a_part_costs_a_head_once() {
    let world = world();
    world.read(get("k")).await;
    world.origin.seen();
    // Nothing is known yet to guess from.
    assert_eq!(told(&world, part("k", "1")).await.1, Source::Origin);
    assert_eq!(world.origin.seen(), [seen(1, true)]);
    assert_eq!(told(&world, part("k", "2")).await.1, Source::Origin);
    assert_eq!(world.origin.seen(), [seen(2, false)]);
    assert_eq!(told(&world, part("k", "2")).await.1, Source::Memory);
    assert_eq!(world.origin.seen(), []);
}

#[tokio::test]
async fn a_head_teaches_where_a_part_lies() {
    let world = world();
    let head = Read {
        method: ReadMethod::Head,
        ..part("k", "2")
    };
    let place = format!("bytes {}-{}/{SIZE}", 3 * MIB, 5 * MIB + 4);
    for source in [Source::Origin, Source::Memory] {
        let expected = (206, source, place.clone(), "3".to_owned(), 0);
        assert_eq!(told(&world, head.clone()).await, expected);
    }
    assert_eq!(world.origin.seen(), [seen(2, false)]);
}

#[tokio::test]
async fn a_part_has_the_checksum_that_the_origin_tells_of_it() {
    let world = world();
    for checksum_mode in [true, false, true] {
        let read = Read {
            checksum_mode,
            ..part("k", "1")
        };
        let answer = world.answer(read).await.expect("an answer");
        let checksum = answer.response.headers().get("x-amz-checksum-crc32");
        let expected = checksum_mode.then_some("of-part-1");
        assert_eq!(checksum.map(|value| value.to_str().unwrap()), expected);
    }
    assert_eq!(world.origin.seen(), [seen(1, true)]);
}

#[tokio::test]
async fn an_object_that_came_whole_is_its_own_first_part() {
    let world = default_world();
    world.origin.put("k", pattern(100, 1), "v1");
    for source in [Source::Origin, Source::Memory] {
        let expected = (206, source, "bytes 0-99/100".to_owned(), String::new(), 100);
        assert_eq!(told(&world, part("k", "1")).await, expected);
    }
}

#[tokio::test]
async fn what_no_part_is_the_origin_says_itself() {
    let world = world();
    world.read(part("k", "1")).await;
    for _ in 0..2 {
        match world.answer(part("k", "4")).await {
            Err(Error::Origin(error)) => {
                assert_eq!(error.status(), Some(StatusCode::RANGE_NOT_SATISFIABLE));
            }
            other => panic!("not the origin's own error: {other:?}"),
        }
    }
    // Here the condition comes first.
    let mut pinned = part("k", "4");
    pinned.conditions.if_match = Some("\"v2\"".into());
    pinned.headers.insert("if-match", "\"v2\"".parse().unwrap());
    match world.answer(pinned).await {
        Err(Error::Origin(error)) => {
            assert_eq!(error.status(), Some(StatusCode::PRECONDITION_FAILED));
        }
        other => panic!("not the origin's own error: {other:?}"),
    }
    let mut ambiguous = part("k", "1");
    ambiguous.range = range("k", "bytes=0-1").range;
    assert_eq!(world.read(ambiguous).await.1, Source::Bypass);
}

#[tokio::test]
async fn parts_are_forgotten_with_their_body_and_kept_with_new_metadata() {
    let world = world();
    world.read(part("k", "1")).await;
    let again = |note: &str, etag: &str, parts: &[u64]| {
        let headers = http::HeaderMap::new();
        world
            .origin
            .put_with("k", pattern(SIZE, 1), etag, note, headers);
        world.origin.set_parts("k", parts);
        world.clock.advance(std::time::Duration::from_secs(61));
        world.origin.seen();
    };
    again("new", "v1", &SIZES);
    assert_eq!(told(&world, part("k", "1")).await.1, Source::Revalidated);
    assert_eq!(world.origin.seen(), [Seen::Head]);
    again("", "v2", &[SIZE]);
    let expected = format!("bytes 0-{}/{SIZE}", SIZE - 1);
    assert_eq!(told(&world, part("k", "1")).await.2, expected);
    assert_eq!(world.origin.seen(), [Seen::Head, seen(1, true)]);
}

#[tokio::test]
async fn an_origin_that_does_not_say_where_a_part_lies_answers_itself() {
    let world = world();
    world.origin.hide_ranges();
    let head = Read {
        method: ReadMethod::Head,
        ..part("k", "2")
    };
    for _ in 0..2 {
        assert_eq!(told(&world, head.clone()).await.1, Source::Bypass);
    }
    assert_eq!(told(&world, part("k", "2")).await.1, Source::Origin);
    assert_eq!(told(&world, head).await.1, Source::Memory);
}

//! Listings, and the life of buckets.

use super::Twins;
use crate::support::client::Ask;

async fn filled() -> Twins {
    let twins = Twins::new().await;
    for key in ["a/1", "a/2", "a b", "c+d", "ü", "x//y", "z&<>\"'"] {
        twins.put(&format!("train/{key}"), 1, 10);
    }
    twins
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_take_all_their_parameters_and_come_back_as_they_are() {
    let twins = filled().await;
    for query in [
        "",
        "?delimiter=%2F",
        "?prefix=a%2F&encoding-type=url",
        "?marker=a%2F2&max-keys=2&delimiter=%2F",
        "?max-keys=0",
        "?list-type=2",
        "?list-type=2&fetch-owner=true&start-after=a%20b",
        "?list-type=2&delimiter=%2F&prefix=x%2F&encoding-type=url",
        "?list-type=2&continuation-token=nonsense",
        "?uploads",
        "?location",
    ] {
        twins.ask(&Ask::get(&format!("/train{query}"))).await;
        twins.ask(&Ask::get(&format!("/train/{query}"))).await;
    }
    twins.ask(&Ask::new("HEAD", "/train")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_is_read_to_its_end_page_by_page() {
    let twins = filled().await;
    let (mut target, mut keys) = ("/train?list-type=2&max-keys=3".to_owned(), 0);
    loop {
        let page = twins.succeed(&Ask::get(&target)).await;
        keys += page.text("KeyCount").parse::<u32>().expect("a number");
        if page.text("IsTruncated") == "false" {
            break;
        }
        let token = page.text("NextContinuationToken");
        target = format!("/train?list-type=2&max-keys=3&continuation-token={token}");
    }
    assert_eq!(keys, 7);
}

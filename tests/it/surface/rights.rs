//! No operation without each of its rights: what a caller may not do does not reach the origin.

use std::collections::BTreeSet;
use std::fmt::Write;

use forebay::types::operation::{Action, Family, OperationName};

use super::Twins;
use super::documents::request;
use crate::support::client::Ask;
use crate::support::node::SECRET;

/// An identity for each action: it may do everything but that.
fn identities() -> (String, Vec<&'static str>) {
    let known: BTreeSet<&str> = Action::known();
    let actions: Vec<&'static str> = known.into_iter().collect();
    let mut text = String::new();
    for (index, missing) in actions.iter().enumerate() {
        let others: Vec<&str> = actions.iter().copied().filter(|it| it != missing).collect();
        write!(
            text,
            "[identity.without-{index}]\naccess_key_id = \"WITHOUT{index}\"\n\
             secret_access_key = {{ env = \"TEST_SECRET\" }}\npolicies = [\"without-{index}\"]\n\
             [policy.without-{index}]\nallow = [{{ actions = {others:?}, resources = [\"*\"] }}]\n"
        )
        .expect("a string takes it");
    }
    (text, actions)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_is_refused_without_each_of_its_rights() {
    let (text, actions) = identities();
    let twins = Twins::with(&text).await;
    twins.put("train/k", 1, 100);
    let mut refused = 0;
    for name in OperationName::ALL {
        let spec = name.spec();
        let mut asks = vec![(request(spec), spec.actions)];
        if !spec.version_actions.is_empty() {
            let ask = request(spec);
            let target = format!("{}&versionId=null", ask.target).replace("?&", "?");
            asks.push((Ask { target, ..ask }, spec.version_actions));
        }
        let is_copy = matches!(spec.family, Family::Copy | Family::CopyPart);
        for (ask, rights) in asks {
            let mut rights = rights.to_vec();
            rights.extend(is_copy.then_some("s3:GetObject"));
            for right in rights {
                let index = actions.iter().position(|action| *action == right);
                let index = index.unwrap_or_else(|| panic!("{right} is not known"));
                let client = twins.node.client(&format!("WITHOUT{index}"), SECRET);
                let answer = client.send(&ask).await;
                assert_eq!(
                    answer.status, 403,
                    "{} without {right}: {answer:?}",
                    spec.name
                );
                if spec.method != "HEAD" {
                    assert_eq!(answer.code(), "AccessDenied", "{}", spec.name);
                }
                refused += 1;
            }
        }
    }
    assert_eq!(twins.behind.seen(), [], "the origin heard of none");
    assert!(refused > OperationName::ALL.len(), "{refused} were tried");
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_do_more_take_more_rights() {
    let (text, actions) = identities();
    let twins = Twins::with(&text).await;
    twins.put("train/k", 2, 100);
    let put = |name, value: &str| Ask::new("PUT", "/train/new").header(name, value).body("x");
    for (ask, right) in [
        (put("x-amz-tagging", "a=1"), "s3:PutObjectTagging"),
        (put("x-amz-acl", "public-read"), "s3:PutObjectAcl"),
        (put("x-amz-acl", "public-read"), "admin"),
        (put("x-amz-grant-read", "id=\"1\""), "admin"),
        (
            put("x-amz-object-lock-mode", "GOVERNANCE"),
            "s3:PutObjectRetention",
        ),
        (
            put("x-amz-object-lock-legal-hold", "ON"),
            "s3:PutObjectLegalHold",
        ),
        (
            Ask::new("DELETE", "/train/k").header("x-amz-bypass-governance-retention", "true"),
            "s3:BypassGovernanceRetention",
        ),
    ] {
        let index = actions.iter().position(|action| *action == right);
        let client = twins
            .node
            .client(&format!("WITHOUT{}", index.expect("it is known")), SECRET);
        let answer = client.send(&ask).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (403, "AccessDenied"),
            "{ask:?}"
        );
        assert_eq!(twins.behind.seen(), []);
        // With the right it goes on, header and all.
        twins.succeed(&ask).await;
        twins.behind.seen();
    }
}

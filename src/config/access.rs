//! `[identity.NAME]`, `[policy.NAME]` and `[anonymous]`: who may do what.

use std::collections::BTreeMap;

use super::bucket::refer;
use super::secret::{self, KeptSecret};
use super::section::Section;
use super::suggest;
use crate::types::{Action, BucketName, Class, Principal, Tenant};

/// Identities, and the policies that they are granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    pub identities: Vec<Identity>,
    pub policies: Vec<Policy>,
    /// The policies of callers who sign nothing.
    pub anonymous: Vec<String>,
}

/// Somebody who signs requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub name: String,
    /// No two identities have the same.
    pub access_key_id: String,
    pub secret_access_key: KeptSecret,
    pub tenant: Tenant,
    pub class: Class,
    /// Names of policies that exist.
    pub policies: Vec<String>,
}

/// Rights under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub name: String,
    pub allow: Vec<Grant>,
}

/// Each of the actions on each of the resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// `s3:NAME`, perhaps ending in `*`, or `admin`.
    pub actions: Vec<String>,
    /// `*`, `BUCKET`, or `BUCKET/PREFIX*`.
    pub resources: Vec<String>,
}

pub(super) fn read(file: &mut Section<'_, '_>) -> Access {
    let policies = file.each("policy", policy);
    let names: Vec<String> = policies.iter().map(|policy| policy.name.clone()).collect();
    let mut holders = BTreeMap::new();
    let identities = file.each("identity", |name, section| {
        identity(name, section, &names, &mut holders)
    });
    let anonymous = file.within("anonymous", |section| granted(section, &names));
    Access {
        identities,
        policies,
        anonymous,
    }
}

/// `holders` tells which identity has an access key already.
fn identity(
    name: &str,
    section: &mut Section<'_, '_>,
    policies: &[String],
    holders: &mut BTreeMap<String, String>,
) -> Option<Identity> {
    if name == Principal::ANONYMOUS {
        let hint = "write [anonymous] policies = […] for callers who sign nothing";
        section.wrong("the name is taken by callers who sign nothing", hint);
    }
    let access_key_id: Option<String> = section.required("access_key_id");
    if let Some(id) = &access_key_id {
        check_access_key(section, name, id, holders);
    }
    let secret_access_key = secret::required(section, "secret_access_key");
    let tenant: String = section.or("tenant", "default");
    let class = section.or("class", "training");
    let policies = granted(section, policies);
    Some(Identity {
        name: name.to_owned(),
        access_key_id: access_key_id?,
        secret_access_key: secret_access_key?,
        tenant: Tenant(tenant.into()),
        class,
        policies,
    })
}

fn check_access_key(
    section: &Section<'_, '_>,
    name: &str,
    id: &str,
    holders: &mut BTreeMap<String, String>,
) {
    // It stands before the first slash of a credential scope, in a header and in a query.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
    if id.len() > 128 || !id.bytes().all(plain) {
        section.problem(
            "access_key_id",
            format!("{id:?} cannot be an access key's id"),
            "write up to 128 letters, digits, hyphens, underscores, dots and @",
        );
    }
    if let Some(other) = holders.insert(id.to_owned(), name.to_owned()) {
        section.problem(
            "access_key_id",
            format!("{id:?} is also identity.{other}'s"),
            "give each identity an access key of its own",
        );
    }
}

fn granted(section: &mut Section<'_, '_>, policies: &[String]) -> Vec<String> {
    let granted: Vec<String> = section.or("policies", Vec::<String>::new());
    for name in granted.iter().filter(|name| !policies.contains(name)) {
        let hint = refer("policy", name, policies);
        section.problem("policies", format!("there is no policy {name:?}"), &hint);
    }
    granted
}

fn policy(name: &str, section: &mut Section<'_, '_>) -> Option<Policy> {
    if !section.has("allow") {
        let hint = "write allow = [{ actions = [\"s3:GetObject\"], resources = [\"BUCKET/*\"] }]";
        section.missing("allow", hint);
    }
    let allow = section.list("allow", grant);
    // One with a mistake in it still has a name, so that identities may refer to it.
    Some(Policy {
        name: name.to_owned(),
        allow,
    })
}

fn grant(section: &mut Section<'_, '_>) -> Option<Grant> {
    let actions: Option<Vec<String>> = section.required("actions");
    let resources: Option<Vec<String>> = section.required("resources");
    for action in actions.iter().flatten().filter(|it| !is_action(it)) {
        section.problem(
            "actions",
            format!("{action:?} is not an action"),
            &meant(action),
        );
    }
    for resource in resources.iter().flatten().filter(|it| !is_resource(it)) {
        section.problem(
            "resources",
            format!("{resource:?} is not a resource"),
            "write \"*\", \"BUCKET\", \"BUCKET/*\" or \"BUCKET/PREFIX*\"",
        );
    }
    Some(Grant {
        actions: actions?,
        resources: resources?,
    })
}

/// Names an action that some operation takes, or begins like one.
fn is_action(text: &str) -> bool {
    let known = Action::known();
    match text.strip_suffix('*') {
        Some(start) if start.starts_with("s3:") => known.iter().any(|name| name.starts_with(start)),
        Some(_) => false,
        None => known.contains(text),
    }
}

/// What to write instead of an action that there is not.
fn meant(text: &str) -> String {
    let known = Action::known();
    let lower: Vec<String> = known.iter().map(|name| name.to_lowercase()).collect();
    let words: Vec<&str> = lower.iter().map(String::as_str).collect();
    let nearest = suggest::nearest(text, &words);
    let at = nearest.and_then(|nearest| words.iter().position(|word| *word == nearest));
    match at.and_then(|at| known.iter().nth(at)) {
        Some(name) => format!("did you mean {name:?}?"),
        None => {
            "write S3's name for it, as in \"s3:GetObject\", \"s3:Get*\" or \"s3:*\", or \"admin\""
                .to_owned()
        }
    }
}

/// A star stands at the very end only; a key may be named whole.
fn is_resource(text: &str) -> bool {
    if text == "*" {
        return true;
    }
    let (bucket, key) = text.split_once('/').unwrap_or((text, "*"));
    let stars = key.strip_suffix('*').unwrap_or(key);
    bucket.parse::<BucketName>().is_ok() && !key.is_empty() && !stars.contains('*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_those_that_operations_take() {
        for good in [
            "s3:GetObject",
            "s3:*",
            "s3:Get*",
            "admin",
            "s3:PutBucketCORS",
        ] {
            assert!(is_action(good), "{good}");
        }
        for (bad, meant_by_it) in [
            ("s3:GetObjcet", "s3:GetObject"),
            ("s3:getobject", "s3:GetObject"),
            ("GetObject", "s3:GetObject"),
            ("s3:PutBucketCors", "s3:PutBucketCORS"),
            ("s3:Gte*", "s3:"),
            ("*", "s3:"),
        ] {
            assert!(!is_action(bad), "{bad}");
            assert!(meant(bad).contains(meant_by_it), "{bad}: {}", meant(bad));
        }
    }
}

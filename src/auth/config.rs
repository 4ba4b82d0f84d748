//! The configuration of identities and policies, and how it becomes an [`Auth`].

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Auth, Grant, Identity, Malformed};
use crate::types::{Class, Principal, Problems, Secret, SecretSource, Tenant};

/// The tables `[identity.NAME]`, `[policy.NAME]` and `[anonymous]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub identity: BTreeMap<String, IdentityConfig>,
    pub policy: BTreeMap<String, PolicyConfig>,
    pub anonymous: AnonymousConfig,
}

/// `[identity.NAME]`: who signs with an access key.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityConfig {
    pub access_key_id: String,
    pub secret_access_key: SecretSource,
    /// The team or project that the traffic is accounted to.
    #[serde(default = "default_tenant")]
    pub tenant: String,
    #[serde(default)]
    pub class: Class,
    /// Names of policies; none means no rights.
    #[serde(default)]
    pub policies: Vec<String>,
}

/// `[policy.NAME]`: rights under a name.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyConfig {
    pub allow: Vec<StatementConfig>,
}

/// Some actions over some resources.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatementConfig {
    pub actions: Vec<String>,
    pub resources: Vec<String>,
}

/// `[anonymous]`: the rights of callers who sign nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AnonymousConfig {
    pub policies: Vec<String>,
}

fn default_tenant() -> String {
    Tenant::default().0.to_string()
}

impl Config {
    /// Adds every mistake that can be seen without reading a secret.
    pub fn check(&self, problems: &mut Problems) {
        self.grants_by_policy(problems);
        self.check_identities(problems);
        for (name, identity) in &self.identity {
            self.check_policies(&format!("identity.{name}"), &identity.policies, problems);
        }
        self.check_policies("anonymous", &self.anonymous.policies, problems);
    }

    fn check_identities(&self, problems: &mut Problems) {
        let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, identity) in &self.identity {
            if name == Principal::ANONYMOUS {
                problems.add(
                    format!("identity.{name}"),
                    "the name stands for callers who sign nothing",
                    "choose another name; rights of unsigned requests go under [anonymous]",
                );
            }
            let id = identity.access_key_id.as_str();
            let key = format!("identity.{name}.access_key_id");
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
            if id.is_empty() || id.len() > 128 || !id.bytes().all(plain) {
                problems.add(
                    &key,
                    format!("{id:?} cannot be an access key id"),
                    "use 1 to 128 letters, digits, '-', '_', '.' or '@'",
                );
            }
            if let Some(other) = owners.insert(id, name) {
                problems.add(
                    &key,
                    format!("{id:?} is the access key id of identity {other:?} too"),
                    "give every identity an access key id of its own",
                );
            }
        }
    }

    fn check_policies(&self, owner: &str, policies: &[String], problems: &mut Problems) {
        for policy in policies {
            if !self.policy.contains_key(policy) {
                problems.add(
                    format!("{owner}.policies"),
                    format!("there is no policy {policy:?}"),
                    format!("add a table [policy.{policy}], or correct the name"),
                );
            }
        }
    }

    fn grants_by_policy(&self, problems: &mut Problems) -> BTreeMap<&str, Vec<Grant>> {
        let mut grants = BTreeMap::new();
        for (name, policy) in &self.policy {
            let statements = policy.allow.iter().enumerate();
            let parsed = statements
                .map(|(index, statement)| {
                    statement.parse(&format!("policy.{name}.allow[{index}]"), problems)
                })
                .collect();
            grants.insert(name.as_str(), parsed);
        }
        grants
    }
}

impl StatementConfig {
    /// What could be parsed; the rest is told.
    fn parse(&self, key: &str, problems: &mut Problems) -> Grant {
        Grant {
            actions: parse_all(&self.actions, &format!("{key}.actions"), problems),
            resources: parse_all(&self.resources, &format!("{key}.resources"), problems),
        }
    }
}

fn parse_all<T: std::str::FromStr<Err = Malformed>>(
    texts: &[String],
    key: &str,
    problems: &mut Problems,
) -> Vec<T> {
    if texts.is_empty() {
        problems.add(
            key,
            "the list is empty",
            "name at least one, or drop the line",
        );
    }
    let mut parsed = Vec::with_capacity(texts.len());
    for text in texts {
        match text.parse::<T>() {
            Ok(pattern) => parsed.push(pattern),
            Err(malformed) => problems.add(
                key,
                format!("{text:?} is not understood"),
                malformed.to_string(),
            ),
        }
    }
    parsed
}

impl Auth {
    /// Builds identities and policies, reading the secrets.
    ///
    /// # Errors
    /// Every mistake of the configuration, and every secret that cannot be read.
    pub fn build(config: &Config) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        config.check(&mut problems);
        let grants = config.grants_by_policy(&mut Problems::default());
        let of = |policies: &[String]| -> Vec<Grant> {
            let known = policies.iter().filter_map(|name| grants.get(name.as_str()));
            known.flatten().cloned().collect()
        };
        let mut identities = Vec::with_capacity(config.identity.len());
        for (name, identity) in &config.identity {
            if let Some(secret) = read_secret(name, identity, &mut problems) {
                identities.push((identity.build(name, secret), of(&identity.policies)));
            }
        }
        let anonymous = of(&config.anonymous.policies);
        problems.or(Self::new(identities, anonymous))
    }
}

impl IdentityConfig {
    fn build(&self, name: &str, secret: Secret) -> Identity {
        Identity {
            access_key_id: self.access_key_id.clone(),
            principal: Arc::new(Principal {
                name: name.into(),
                tenant: Tenant(self.tenant.as_str().into()),
                class: self.class,
            }),
            secret,
        }
    }
}

fn read_secret(name: &str, identity: &IdentityConfig, problems: &mut Problems) -> Option<Secret> {
    let unreadable = match identity.secret_access_key.read() {
        Ok(secret) => return Some(secret),
        Err(unreadable) => unreadable,
    };
    problems.add(
        format!("identity.{name}.secret_access_key"),
        unreadable.to_string(),
        "set the variable, or make the file readable for the user that forebay runs as",
    );
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Action, Resource};

    fn parse(text: &str) -> Config {
        toml::from_str(text).expect("a configuration")
    }

    #[test]
    fn a_configuration_becomes_identities_with_rights() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let path = folder.path().join("secret");
        std::fs::write(&path, "hunter2\n").expect("a file");
        let config = parse(&format!(
            r#"
            [identity.trainer]
            access_key_id = "FBTRAINER"
            secret_access_key = {{ file = {path:?} }}
            tenant = "vision"
            class = "batch"
            policies = ["read-train"]
            [policy.read-train]
            allow = [{{ actions = ["s3:GetObject", "s3:ListBucket"], resources = ["train/*"] }}]
            "#
        ));
        let auth = Auth::build(&config).expect("no mistakes");
        let identity = auth.identity("FBTRAINER").expect("the trainer");
        assert_eq!(identity.secret.expose(), "hunter2");
        assert_eq!(&*identity.principal.tenant.0, "vision");
        assert_eq!(identity.principal.class, Class::Batch);
        let train = Resource::Bucket("train".parse().expect("a bucket"));
        assert!(auth.allows(&identity.principal, Action("s3:ListBucket"), &train));
        assert!(!auth.allows(&identity.principal, Action("s3:PutObject"), &train));
        assert!(auth.identity("SOMEBODY").is_none());
    }

    #[test]
    fn every_mistake_is_told_at_once_with_its_key() {
        let config = parse(
            r#"
            [identity.anonymous]
            access_key_id = "A"
            secret_access_key = { env = "FOREBAY_NO_SUCH_VARIABLE" }
            [identity.one]
            access_key_id = "A"
            secret_access_key = { env = "FOREBAY_NO_SUCH_VARIABLE" }
            policies = ["nowhere"]
            [identity.two]
            access_key_id = "a/b"
            secret_access_key = { env = "FOREBAY_NO_SUCH_VARIABLE" }
            [policy.bad]
            allow = [{ actions = ["GetObject"], resources = ["tr*"] }, { actions = [], resources = ["*"] }]
            [anonymous]
            policies = ["gone"]
            "#,
        );
        let problems = Auth::build(&config).expect_err("there are mistakes");
        let keys: Vec<&str> = problems.list().iter().map(|p| p.key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "policy.bad.allow[0].actions",
                "policy.bad.allow[0].resources",
                "policy.bad.allow[1].actions",
                "identity.anonymous",
                "identity.one.access_key_id",
                "identity.two.access_key_id",
                "identity.one.policies",
                "anonymous.policies",
                "identity.anonymous.secret_access_key",
                "identity.one.secret_access_key",
                "identity.two.secret_access_key",
            ]
        );
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let text = "[policy.p]\nallow = []\ndeny = []\n";
        assert!(toml::from_str::<Config>(text).is_err());
    }
}

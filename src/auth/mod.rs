//! Identities and what they may do: whoever no policy allows is denied.
//!
//! Pure: the S3 door verifies signatures with the secrets kept here and asks [`Auth::authorize`] before it serves anything.
//! Policies see buckets and keys raw, as the client wrote them; a route's prefix is joined afterwards.

mod policy;

use std::sync::Arc;

use hashbrown::HashMap;

use crate::types::{Action, BucketName, Operation, Principal, Resource, Secret};

pub use policy::{ActionPattern, Grant, Malformed, ResourcePattern};

/// The identities and policies of the configuration. Immutable: a reload builds another, of which
/// each core has a copy.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Auth {
    identities: HashMap<String, Identity>,
    /// By the principal's name.
    grants: HashMap<Arc<str>, Vec<Grant>>,
}

/// Shares nothing with the original whose references a request counts: [`Copies`](crate::per_core::Copies) are made of it.
impl Clone for Auth {
    fn clone(&self) -> Self {
        let apart = |(id, identity): (&String, &Identity)| {
            let identity = Identity {
                access_key_id: identity.access_key_id.clone(),
                principal: Arc::new(Principal::clone(&identity.principal)),
                secret: Secret::new(identity.secret.expose()),
            };
            (id.clone(), identity)
        };
        Self {
            identities: self.identities.iter().map(apart).collect(),
            grants: self.grants.clone(),
        }
    }
}

/// Who signs with an access key, and the key's secret.
#[derive(Debug, Clone)]
pub struct Identity {
    pub access_key_id: String,
    pub principal: Arc<Principal>,
    pub secret: Secret,
}

/// The caller lacks a right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not allowed to {}", .action.0)]
pub struct Denied {
    pub action: Action,
    pub resource: Resource,
}

impl Auth {
    /// These identities with their rights, and the rights of callers who sign nothing.
    pub fn new(identities: Vec<(Identity, Vec<Grant>)>, anonymous: Vec<Grant>) -> Self {
        let mut auth = Self::default();
        auth.grants.insert(Principal::ANONYMOUS.into(), anonymous);
        for (identity, grants) in identities {
            auth.grants
                .insert(Arc::clone(&identity.principal.name), grants);
            auth.identities
                .insert(identity.access_key_id.clone(), identity);
        }
        auth
    }

    /// The identity that signs with an access key.
    pub fn identity(&self, access_key_id: &str) -> Option<&Identity> {
        self.identities.get(access_key_id)
    }

    /// Whether `principal` may do `action` to `resource`.
    pub fn allows(&self, principal: &Principal, action: Action, resource: &Resource) -> bool {
        self.grants(principal)
            .iter()
            .any(|grant| grant.allows(action, resource))
    }

    /// Whether `principal` may do anything at all to `bucket`: whether a list of buckets shows it.
    pub fn visible(&self, principal: &Principal, bucket: &BucketName) -> bool {
        self.grants(principal)
            .iter()
            .any(|grant| grant.touches(bucket))
    }

    /// Checks every right that `operation` takes.
    ///
    /// # Errors
    /// The first right that is missing.
    pub fn authorize(&self, principal: &Principal, operation: &Operation) -> Result<(), Denied> {
        for (action, resource) in operation.rights() {
            if !self.allows(principal, action, &resource) {
                return Err(Denied { action, resource });
            }
        }
        Ok(())
    }

    fn grants(&self, principal: &Principal) -> &[Grant] {
        self.grants.get(&principal.name).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{CopySource, OperationName, Target};

    fn auth(actions: &[&str], resources: &[&str]) -> (Auth, Arc<Principal>) {
        let principal = Arc::new(Principal {
            name: "trainer".into(),
            ..Principal::anonymous()
        });
        let identity = Identity {
            access_key_id: "FBTRAINER".into(),
            principal: Arc::clone(&principal),
            secret: Secret::new("secret"),
        };
        let grant = Grant::parse(actions, resources).expect("a grant");
        (Auth::new(vec![(identity, vec![grant])], vec![]), principal)
    }

    fn copy(from: &str, to: &str) -> Operation {
        let bucket: BucketName = "train".parse().expect("a bucket");
        Operation {
            name: OperationName::CopyObject,
            target: Target::Object(bucket.clone(), to.parse().expect("a key")),
            copy_source: Some(CopySource {
                bucket,
                key: from.parse().expect("a key"),
                version_id: None,
            }),
            prefix: String::new(),
            versioned: false,
            extras: Vec::new(),
        }
    }

    #[test]
    fn a_clone_has_principals_of_its_own() {
        let (auth, _) = auth(&["s3:GetObject"], &["train/*"]);
        let clone = auth.clone();
        let [one, other] =
            [&auth, &clone].map(|it| &it.identity("FBTRAINER").expect("it is there").principal);
        assert_eq!(one, other);
        assert!(!Arc::ptr_eq(one, other));
    }

    #[test]
    fn nobody_may_do_anything_by_default() {
        let auth = Auth::default();
        let bucket = "train".parse().expect("a bucket");
        assert!(!auth.visible(&Principal::anonymous(), &bucket));
        assert!(!auth.allows(
            &Principal::anonymous(),
            Action("s3:GetObject"),
            &Resource::Bucket(bucket)
        ));
    }

    #[test]
    fn a_copy_takes_the_rights_over_both_sides() {
        let (auth, trainer) = auth(&["s3:GetObject", "s3:PutObject"], &["train/data/*"]);
        assert_eq!(auth.authorize(&trainer, &copy("data/a", "data/b")), Ok(()));
        for (from, to, action) in [
            ("other/a", "data/b", "s3:GetObject"),
            ("data/a", "other/b", "s3:PutObject"),
        ] {
            let denied = auth
                .authorize(&trainer, &copy(from, to))
                .expect_err("one side is out of reach");
            assert_eq!(denied.action, Action(action));
        }
    }

    #[test]
    fn the_anonymous_have_their_own_grants_only() {
        let grant = Grant::parse(&["s3:GetObject"], &["public/*"]).expect("a grant");
        let auth = Auth::new(vec![], vec![grant]);
        let key = || "a".parse().expect("a key");
        let public = Resource::Object("public".parse().expect("a bucket"), key());
        let private = Resource::Object("private".parse().expect("a bucket"), key());
        let nobody = Principal::anonymous();
        assert!(auth.allows(&nobody, Action("s3:GetObject"), &public));
        assert!(!auth.allows(&nobody, Action("s3:GetObject"), &private));
        assert!(!auth.allows(&nobody, Action("s3:PutObject"), &public));
    }

    #[test]
    fn a_bucket_is_seen_by_whoever_may_do_something_there() {
        let (auth, trainer) = auth(&["s3:GetObject"], &["train/data/*"]);
        let bucket = |name: &str| name.parse::<BucketName>().expect("a bucket");
        assert!(auth.visible(&trainer, &bucket("train")));
        assert!(!auth.visible(&trainer, &bucket("trainer")));
    }
}

//! The vocabulary: validated, pure types that every band may use.

pub mod body;
pub mod layout;
pub mod names;
pub mod object;
pub mod operation;
pub mod outcome;
pub mod principal;
pub mod problems;
pub mod range;
pub mod secret;
pub mod size;

pub use body::{Body, BoxError};
pub use names::{BucketName, ObjectKey, OriginName};
pub use object::{BodyDigest, BodyId, CanonicalObject, ETag, OriginFingerprint, Subject, Version};
pub use operation::{
    Action, CopySource, Extra, Family, Operation, OperationName, Resource, Scope, Target,
};
pub use outcome::Source;
pub use principal::{Class, Principal, Tenant};
pub use problems::{Problem, Problems};
pub use range::{PartNumber, RangeSpec};
pub use secret::{Secret, SecretSource};
pub use size::{ByteSize, Span};

//! The settings of an S3 origin, read and checked by the configuration.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use crate::types::Secret;

/// An S3 store and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The region that requests are signed for.
    pub region: String,
    /// `scheme://host[:port]` of a store other than AWS; AWS's own endpoint of the region where there is none.
    pub endpoint: Option<String>,
    /// Whether the bucket stands in the path instead of the host name.
    pub path_style: bool,
    /// Whether the store keeps keys with a segment `.` or `..` as they are, as AWS does.
    pub dot_segments: bool,
    /// Who this gateway is to the store.
    pub credentials: Credentials,
    /// Requests in progress at once, bodies included; more wait.
    pub connections: NonZeroUsize,
    /// How long a request waits for one of the connections.
    pub queue: Duration,
    /// How long a TCP connection may take.
    pub connect_timeout: Duration,
    /// How long a read may take to its answer's head, and how long a write may find the origin taking no bytes.
    pub head_timeout: Duration,
    /// How long a body may yield nothing while somebody waits for it.
    pub stall: Duration,
    /// PEM file of authorities to trust besides the system's.
    pub ca_file: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            region: "us-east-1".to_owned(),
            endpoint: None,
            path_style: false,
            dot_segments: true,
            credentials: Credentials::Default,
            connections: NonZeroUsize::new(256).expect("256 is not zero"),
            queue: Duration::from_secs(15),
            // The AWS SDKs' own default: just above one retransmission of a SYN.
            connect_timeout: Duration::from_millis(3100),
            head_timeout: Duration::from_secs(30),
            stall: Duration::from_secs(20),
            ca_file: None,
        }
    }
}

/// Where the credentials come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// The standard chain of environment, profile, web identity (IRSA), container (ECS, EKS Pod Identity) and instance
    /// metadata.
    Default,
    /// Requests are not signed.
    Anonymous,
    /// A fixed key pair.
    Keys {
        access_key_id: String,
        secret_access_key: Secret,
        session_token: Option<Secret>,
    },
    /// A profile of the AWS configuration files.
    Profile(String),
    /// A role, assumed with the credentials of the standard chain.
    AssumeRole {
        arn: String,
        external_id: Option<String>,
        session_name: Option<String>,
    },
}

//! What `forebay dev` prints: where it serves, and settings to paste into clients.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

use super::credentials::Credentials;

/// What clients need to know of a running node.
#[derive(Debug)]
pub(super) struct Settings<'a> {
    pub(super) folder: &'a Path,
    pub(super) bucket: &'a str,
    /// The ports that were asked for: S3 and admin.
    pub(super) wanted: [u16; 2],
    pub(super) s3: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) credentials: &'a Credentials,
}

/// Any would do: the region only has to be the same in a signature and in its scope.
const REGION: &str = "us-east-1";

impl fmt::Display for Settings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            folder,
            bucket,
            s3,
            admin,
            ..
        } = self;
        let id = &self.credentials.access_key_id;
        let secret = self.credentials.secret_access_key.expose();
        let version = env!("CARGO_PKG_VERSION");
        let [s3_moved, admin_moved] = [
            moved(self.wanted[0], s3.port()),
            moved(self.wanted[1], admin.port()),
        ];
        write!(
            f,
            r#"Forebay {version}: every folder in {folder} is a bucket

  S3       http://{s3}{s3_moved}
  metrics  http://{admin}/metrics{admin_moved}

For AWS CLI and s5cmd, in a shell:

  export AWS_ENDPOINT_URL=http://{s3} S3_ENDPOINT_URL=http://{s3}
  export AWS_ACCESS_KEY_ID={id}
  export AWS_SECRET_ACCESS_KEY={secret}
  export AWS_REGION={REGION} AWS_DEFAULT_REGION={REGION}

  aws s3 cp README.md s3://{bucket}/
  s5cmd ls s3://{bucket}/

For boto3:

  import boto3
  s3 = boto3.client(
      "s3",
      endpoint_url="http://{s3}",
      region_name="{REGION}",
      aws_access_key_id="{id}",
      aws_secret_access_key="{secret}",
  )

For s3fs:

  import s3fs
  fs = s3fs.S3FileSystem(
      endpoint_url="http://{s3}",
      client_kwargs={{"region_name": "{REGION}"}},
      key="{id}",
      secret="{secret}",
  )

Requests, as they end (Ctrl-C stops):

"#,
            folder = folder.display()
        )
    }
}

fn moved(wanted: u16, port: u16) -> String {
    if wanted == port || wanted == 0 {
        String::new()
    } else {
        format!("  (port {wanted} is taken)")
    }
}

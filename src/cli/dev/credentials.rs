//! The key pair of `forebay dev`: made once, kept beside the data in the form of AWS's credentials file.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::types::Secret;

/// The folder for what is not data; the directory origin serves no bucket of this name.
const FOLDER: &str = ".forebay";
/// Says of an access key that a Forebay made it.
const ID_PREFIX: &str = "FOREBAYDEV";

/// A key pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: Secret,
}

impl Credentials {
    /// The key pair kept in `folder`; makes and keeps one where there is none.
    ///
    /// # Errors
    /// Where the file cannot be read or written, or holds no key pair.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let folder = folder.join(FOLDER);
        let path = folder.join("credentials");
        match fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text).ok_or_else(|| {
                let hint = format!("{} holds no key pair; remove it", path.display());
                io::Error::new(io::ErrorKind::InvalidData, hint)
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(&folder)?;
                let made = Self::new()?;
                made.keep(&path)?;
                Ok(made)
            }
            Err(error) => Err(error),
        }
    }

    fn new() -> io::Result<Self> {
        let mut random = [0; 25];
        rustls::crypto::aws_lc_rs::default_provider()
            .secure_random
            .fill(&mut random)
            .map_err(|_| io::Error::other("the system gives no random numbers"))?;
        let (id, secret) = random.split_at(5);
        Ok(Self {
            access_key_id: format!("{ID_PREFIX}{}", hex::encode_upper(id)),
            secret_access_key: Secret::new(&hex::encode(secret)),
        })
    }

    /// Writes the file whole or not at all, readable by its owner alone.
    fn keep(&self, path: &Path) -> io::Result<()> {
        let unfinished = path.with_extension("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)?;
        // One that a crash left behind may have other rights.
        file.set_permissions(Permissions::from_mode(0o600))?;
        writeln!(file, "[default]")?;
        writeln!(file, "aws_access_key_id = {}", self.access_key_id)?;
        let secret = self.secret_access_key.expose();
        writeln!(file, "aws_secret_access_key = {secret}")?;
        file.sync_all()?;
        fs::rename(unfinished, path)
    }

    fn parse(text: &str) -> Option<Self> {
        let value = |name: &str| {
            text.lines()
                .filter_map(|line| line.split_once('='))
                .find(|(key, _)| key.trim() == name)
                .map(|(_, value)| value.trim())
                .filter(|value| !value.is_empty())
        };
        Some(Self {
            access_key_id: value("aws_access_key_id")?.to_owned(),
            secret_access_key: Secret::new(value("aws_secret_access_key")?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_pair_is_made_once_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let made = Credentials::open(folder.path()).unwrap();
        assert_eq!(made.access_key_id.len(), 20);
        assert_eq!(made.secret_access_key.expose().len(), 40);
        assert_eq!(Credentials::open(folder.path()).unwrap(), made);
        let file = folder.path().join(".forebay/credentials");
        assert_eq!(
            fs::metadata(file).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn a_file_without_a_key_pair_is_told_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(".forebay")).unwrap();
        let file = folder.path().join(".forebay/credentials");
        fs::write(&file, "[default]\n").unwrap();
        let error = Credentials::open(folder.path()).expect_err("there is none");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(fs::read_to_string(&file).unwrap(), "[default]\n");
    }
}

//! `forebay dev` up to where it serves.

use super::*;

use std::net::SocketAddr;

use crate::types::Secret;

fn credentials() -> Credentials {
    Credentials {
        access_key_id: "FOREBAYDEV0011223344".to_owned(),
        secret_access_key: Secret::new("s3cr3t"),
    }
}

#[test]
fn the_configuration_has_no_mistake_whatever_the_folder_is_called() {
    let options = Options {
        dir: PathBuf::from("it's \"here\" \\ there"),
        port: 9000,
        admin_port: 9001,
    };
    let config = configuration(&options, &credentials(), Surroundings::of_process()).unwrap();
    assert_eq!(config.listen.s3.address, "127.0.0.1:9000".parse().unwrap());
    let identity = &config.access.identities[0];
    assert_eq!(identity.secret_access_key.value.expose(), "s3cr3t");
    let config::Store::Directory(directory) = &config.origins[0].store else {
        panic!("not a directory: {config:?}");
    };
    assert_eq!(directory.path, options.dir);
}

#[test]
fn the_first_run_makes_a_bucket_and_later_ones_leave_the_folder_alone() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("data");
    let first = prepare(&folder).unwrap();
    std::fs::remove_dir(folder.join(BUCKET)).unwrap();
    assert_eq!(prepare(&folder).unwrap(), first);
    assert!(!folder.join(BUCKET).exists());
}

#[test]
fn settings_carry_the_real_port_and_keys() {
    let credentials = credentials();
    let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let text = Settings {
        folder: Path::new("forebay-data"),
        bucket: BUCKET,
        wanted: [9000, 9001],
        s3: address(41234),
        admin: address(9001),
        credentials: &credentials,
    }
    .to_string();
    assert!(text.contains("  S3       http://127.0.0.1:41234  (port 9000 is taken)\n"));
    assert!(text.contains("  metrics  http://127.0.0.1:9001/metrics\n"));
    assert!(text.contains("export AWS_SECRET_ACCESS_KEY=s3cr3t\n"));
    assert!(!text.contains(":9000"), "{text}");
}

//! The promises of the small store, over real files.

mod random;

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{MemfdFlags, SealFlags};

use super::folder::Shape;
use super::*;

const MIB: u64 = 1 << 20;

fn config(path: &Path) -> Config {
    Config {
        path: path.to_owned(),
        capacity: LEAST_CAPACITY,
        memory: 8 * MIB,
    }
}

fn means() -> Means {
    Means {
        tasks: Tasks::default(),
        clock: Clock::system(),
        metrics: Arc::default(),
    }
}

async fn open(path: &Path) -> (Arc<Small>, Means) {
    let means = means();
    (Small::open(vec![config(path)], means.clone()).await, means)
}

fn bytes(digest: u128, length: usize) -> Bytes {
    let seed = xxh3_64(&digest.to_be_bytes()).to_be_bytes();
    Bytes::from(seed.repeat(length / seed.len() + 1)).slice(..length)
}

fn puts(means: &Means, put: Put) -> u64 {
    let count = |kind| means.metrics.small.put(kind, put).get();
    Kind::ALL.into_iter().map(count).sum()
}

fn got(means: &Means, got: Got) -> u64 {
    let count = |kind| means.metrics.small.got(kind, got).get();
    Kind::ALL.into_iter().map(count).sum()
}

/// The files of a store, in its only folder.
fn files(disk: &Path) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(disk.join("small")).expect("a folder");
    let folder = folders.last().expect("a folder").expect("a folder").path();
    let files = std::fs::read_dir(folder).expect("a folder");
    let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    files.retain(|file| !file.ends_with("shape"));
    files.sort();
    files
}

#[tokio::test]
async fn what_is_put_is_there_at_once_and_after_a_restart() {
    let disk = tempfile::tempdir().expect("a folder");
    let (small, _) = open(disk.path()).await;
    for digest in 0..200 {
        small.put(Kind::Record, digest, bytes(digest, 1000));
        small.put(Kind::Body, digest, bytes(digest + 1, LARGEST));
        assert_eq!(
            small.get(Kind::Record, digest).await,
            Some(bytes(digest, 1000))
        );
        small.settle().await;
    }
    small.put(Kind::Record, 1, bytes(9, 10));
    small.close().await;
    assert_eq!(small.get(Kind::Record, 1).await, None, "it is closed");
    let (small, means) = open(disk.path()).await;
    for digest in 0..200 {
        let expected = if digest == 1 {
            bytes(9, 10)
        } else {
            bytes(digest, 1000)
        };
        assert_eq!(small.get(Kind::Record, digest).await, Some(expected));
        let body = small.get(Kind::Body, digest).await;
        assert_eq!(body, Some(bytes(digest + 1, LARGEST)));
    }
    assert_eq!(small.get(Kind::Record, 300).await, None);
    assert_eq!((got(&means, Got::Hit), got(&means, Got::Miss)), (400, 1));
}

#[tokio::test]
async fn what_is_forgotten_stays_so_after_a_restart() {
    let disk = tempfile::tempdir().expect("a folder");
    let (small, _) = open(disk.path()).await;
    small.put(Kind::Record, 1, bytes(1, 1000));
    small.put(Kind::Record, 2, bytes(2, 1000));
    small.settle().await;
    small.forget(Kind::Record, 1);
    assert_eq!(small.get(Kind::Record, 1).await, None);
    small.close().await;
    let (small, _) = open(disk.path()).await;
    assert_eq!(small.get(Kind::Record, 1).await, None);
    assert_eq!(small.get(Kind::Record, 2).await, Some(bytes(2, 1000)));
}

#[tokio::test]
async fn without_disks_nothing_is_held() {
    let small = Small::none();
    small.put(Kind::Body, 1, bytes(1, 10));
    small.forget(Kind::Body, 1);
    small.settle().await;
    assert_eq!(small.get(Kind::Body, 1).await, None);
    small.close().await;
}

#[tokio::test]
async fn what_is_too_large_or_too_much_is_dropped_counted_and_hides_what_was_before() {
    let disk = tempfile::tempdir().expect("a folder");
    let (small, means) = open(disk.path()).await;
    small.put(Kind::Body, 1, bytes(1, 10));
    small.settle().await;
    small.put(Kind::Body, 1, bytes(1, LARGEST + 1));
    assert_eq!(small.get(Kind::Body, 1).await, None);
    assert_eq!(puts(&means, Put::Large), 1);
    // Without a break for the task that writes.
    small.settle().await;
    small.put(Kind::Body, 2, bytes(2, 10));
    small.settle().await;
    for digest in 100..400 {
        small.put(Kind::Body, digest, bytes(digest, LARGEST));
    }
    small.put(Kind::Body, 2, bytes(3, LARGEST));
    assert!(puts(&means, Put::Full) > 150);
    assert_eq!(small.get(Kind::Body, 2).await, None);
    small.settle().await;
    assert_eq!(small.get(Kind::Body, 2).await, None);
}

/// 100 MB of values that take 400 MB on disk.
#[tokio::test]
async fn a_hundred_thousand_records_are_written_or_counted() {
    let disk = tempfile::tempdir().expect("a folder");
    let means = means();
    let config = Config {
        capacity: 1024 * MIB,
        memory: 64 * MIB,
        ..config(disk.path())
    };
    let small = Small::open(vec![config], means.clone()).await;
    for digest in 0..100_000 {
        small.put(Kind::Record, digest, bytes(digest, 1024));
        // As fast as the store takes them.
        if digest % 4096 == 0 {
            small.settle().await;
        }
    }
    small.settle().await;
    assert_eq!(puts(&means, Put::Stored), 100_000);
    assert_eq!(means.metrics.small.overflows(), 0);
    for digest in (0..100_000).step_by(997) {
        let held = small.get(Kind::Record, digest).await;
        assert_eq!(held, Some(bytes(digest, 1024)));
    }
    // All at once.
    for digest in 100_000..200_000 {
        small.put(Kind::Record, digest, bytes(digest, 1024));
    }
    small.settle().await;
    let (stored, full) = (puts(&means, Put::Stored), puts(&means, Put::Full));
    assert_eq!(stored + full, 200_000, "{stored} {full}");
    assert_eq!(puts(&means, Put::Lost), 0);
    small.close().await;
}

#[tokio::test]
async fn a_full_store_gives_up_what_is_oldest_and_takes_everything() {
    let disk = tempfile::tempdir().expect("a folder");
    let (small, means) = open(disk.path()).await;
    let put = |digest| bytes(digest, if digest % 2 == 0 { LARGEST } else { 100 });
    let most = 4000;
    for digest in 0..most {
        small.put(Kind::Body, digest, put(digest));
        if digest % 64 == 0 {
            small.settle().await;
        }
    }
    small.settle().await;
    assert_eq!(puts(&means, Put::Stored), 4000);
    assert_eq!(means.metrics.small.set_aside.get(), 0);
    assert_eq!(small.get(Kind::Body, 0).await, None);
    let mut held = 0;
    for digest in 0..most {
        if let Some(found) = small.get(Kind::Body, digest).await {
            assert_eq!(found, put(digest));
            held += 1;
        }
    }
    // A pair takes 72 KiB and is cut off by the ends of files.
    assert!((1400..1900).contains(&held), "{held}");
    assert_eq!(files(disk.path()).len(), 64);
    small.close().await;
}

#[tokio::test]
async fn a_file_has_its_room_from_the_start() {
    use std::os::unix::fs::MetadataExt;
    let disk = tempfile::tempdir().expect("a folder");
    let (_small, _) = open(disk.path()).await;
    let files = files(disk.path());
    assert_eq!(files.len(), 64);
    for file in files {
        let metadata = std::fs::metadata(file).expect("a file");
        assert_eq!((metadata.len(), metadata.blocks() * 512), (MIB, MIB));
    }
}

#[tokio::test]
async fn damaged_bytes_are_a_miss() {
    let disk = tempfile::tempdir().expect("a folder");
    let (small, _) = open(disk.path()).await;
    for digest in 0..100 {
        small.put(Kind::Record, digest, bytes(digest, 1000));
    }
    small.close().await;
    for file in files(disk.path()) {
        let mut held = std::fs::read(&file).expect("a file");
        // One bit of each entry; foyer's indices have a page of their own.
        for page in held.chunks_mut(4096).skip(1) {
            page[300] ^= 1;
        }
        std::fs::write(&file, held).expect("a file");
    }
    let (small, means) = open(disk.path()).await;
    for digest in 0..100 {
        assert_eq!(small.get(Kind::Record, digest).await, None);
    }
    assert_eq!(got(&means, Got::Hit), 0);
}

#[tokio::test]
async fn a_store_of_another_shape_is_begun_anew() {
    let disk = tempfile::tempdir().expect("a folder");
    let (small, _) = open(disk.path()).await;
    small.put(Kind::Record, 1, bytes(1, 1000));
    small.close().await;
    let means = means();
    let larger = Config {
        capacity: 2 * LEAST_CAPACITY,
        ..config(disk.path())
    };
    let small = Small::open(vec![larger], means.clone()).await;
    assert_eq!(small.get(Kind::Record, 1).await, None);
    small.put(Kind::Record, 1, bytes(1, 1000));
    small.close().await;
    means.tasks.drain(Duration::from_secs(10)).await;
    assert_eq!(files(disk.path()).len(), 64);
}

#[tokio::test]
async fn names_are_spread_over_the_disks_by_their_capacity() {
    let (one, other) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    let twice = Config {
        capacity: 2 * LEAST_CAPACITY,
        ..config(one.path())
    };
    let small = Small::open(vec![twice, config(other.path())], means()).await;
    let on_first = |digest: &u128| {
        let shelf = small.shelf(Key::of(Kind::Body, *digest));
        Arc::ptr_eq(shelf.expect("a disk"), &small.shelves[0])
    };
    let first = (0..3000).filter(on_first).count();
    assert!((1850..2150).contains(&first), "{first}");
    small.close().await;
}

/// A disk whose files can be made to refuse every write from some moment on: they are memory, which can be sealed.
fn sealable(disk: &Path) -> Vec<OwnedFd> {
    let folder = disk.join("small/00000001");
    std::fs::create_dir_all(&folder).expect("a folder");
    let shape = Shape::of(LEAST_CAPACITY);
    let file = |number: u64| {
        let file = rustix::fs::memfd_create("sealable", MemfdFlags::ALLOW_SEALING);
        let file = file.expect("a file");
        let target = format!("/proc/self/fd/{}", file.as_raw_fd());
        let name = format!("foyer-storage-direct-fs-{number:08}");
        std::os::unix::fs::symlink(target, folder.join(name)).expect("a link");
        file
    };
    let files = (0..shape.files).map(file).collect();
    folder::complete(&folder, shape).expect("a complete folder");
    files
}

fn seal(files: &[OwnedFd]) {
    for file in files {
        rustix::fs::fcntl_add_seals(file, SealFlags::WRITE).expect("a seal");
    }
}

#[tokio::test]
async fn the_first_write_that_fails_sets_the_store_aside_and_a_fresh_one_goes_on() {
    let disk = tempfile::tempdir().expect("a folder");
    let sealable = sealable(disk.path());
    let (small, means) = open(disk.path()).await;
    small.put(Kind::Record, 1, bytes(1, 1000));
    small.settle().await;
    assert_eq!(small.get(Kind::Record, 1).await, Some(bytes(1, 1000)));
    seal(&sealable);
    small.put(Kind::Record, 2, bytes(2, 1000));
    small.settle().await;
    assert_eq!((puts(&means, Put::Stored), puts(&means, Put::Lost)), (1, 1));
    while means.metrics.small.set_aside.get() == 0 || !small.shelves[0].is_usable() {
        tokio::task::yield_now().await;
    }
    assert_eq!(means.metrics.small.disks.get(), 1);
    assert_eq!(small.get(Kind::Record, 1).await, None);
    for digest in 3..300 {
        small.put(Kind::Record, digest, bytes(digest, 1000));
        small.settle().await;
        let held = small.get(Kind::Record, digest).await;
        assert_eq!(held, Some(bytes(digest, 1000)));
    }
    small.close().await;
    means.tasks.drain(Duration::from_secs(10)).await;
    let folders = std::fs::read_dir(disk.path().join("small")).expect("a folder");
    let names: Vec<_> = folders
        .map(|it| it.expect("a folder").file_name())
        .collect();
    assert_eq!(names, ["00000002"]);
    assert_eq!(means.metrics.small.set_aside.get(), 1);
}

#[tokio::test]
async fn a_store_whose_reads_fail_is_set_aside() {
    let disk = tempfile::tempdir().expect("a folder");
    let (small, means) = open(disk.path()).await;
    for digest in 0..2000 {
        small.put(Kind::Record, digest, bytes(digest, 1000));
    }
    small.settle().await;
    for file in files(disk.path()) {
        let file = std::fs::OpenOptions::new().write(true).open(file);
        file.expect("a file").set_len(0).expect("an empty file");
    }
    for digest in 0..3 {
        assert_eq!(small.get(Kind::Record, digest).await, None);
    }
    assert_eq!(got(&means, Got::Failed), 3);
    while means.metrics.small.set_aside.get() == 0 || !small.shelves[0].is_usable() {
        tokio::task::yield_now().await;
    }
    small.put(Kind::Record, 1, bytes(1, 1000));
    small.settle().await;
    assert_eq!(small.get(Kind::Record, 1).await, Some(bytes(1, 1000)));
    small.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_cannot_be_opened_is_out_and_tried_again() {
    let disk = tempfile::tempdir().expect("a folder");
    let path = disk.path().join("disk");
    std::fs::write(&path, "no folder").expect("a file");
    let (small, means) = open(&path).await;
    small.put(Kind::Record, 1, bytes(1, 1000));
    assert_eq!(puts(&means, Put::Out), 1);
    assert_eq!(small.get(Kind::Record, 1).await, None);
    std::fs::remove_file(&path).expect("removed");
    while !small.shelves[0].is_usable() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    small.put(Kind::Record, 1, bytes(1, 1000));
    assert_eq!(small.get(Kind::Record, 1).await, Some(bytes(1, 1000)));
    small.close().await;
}

#[tokio::test]
async fn many_who_look_for_the_same_share_one_read() {
    let disk = tempfile::tempdir().expect("a folder");
    let (small, _) = open(disk.path()).await;
    small.put(Kind::Record, 1, bytes(1, 1000));
    small.close().await;
    let (small, means) = open(disk.path()).await;
    let looks = (0..100).map(|_| small.get(Kind::Record, 1));
    let found = join_all(looks).await;
    assert!(found.iter().all(|found| *found == Some(bytes(1, 1000))));
    assert_eq!(means.metrics.small.reads.snapshot().count, 1);
    small.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_does_not_answer_costs_a_second_and_holds_few_threads() {
    let disk = tempfile::tempdir().expect("a folder");
    let (small, _) = open(disk.path()).await;
    for digest in 0..100 {
        small.put(Kind::Record, digest, bytes(digest, 1000));
    }
    small.close().await;
    let (small, means) = open(disk.path()).await;
    let hung = Arc::clone(&small.shelves[0].reads);
    let hung = hung.acquire_many_owned(32).await.expect("all of them");
    let begun = tokio::time::Instant::now();
    let found = join_all((0..100).map(|digest| small.get(Kind::Record, digest))).await;
    assert!(found.iter().all(Option::is_none));
    assert_eq!(begun.elapsed().as_secs(), 1);
    assert_eq!(got(&means, Got::Slow), 100);
    drop(hung);
    assert_eq!(small.get(Kind::Record, 7).await, Some(bytes(7, 1000)));
    small.close().await;
}

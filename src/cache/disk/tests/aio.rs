//! Reads that take no thread. Nothing is asserted of them where the system allows none.

use std::os::unix::fs::FileExt as _;

use tokio::sync::Semaphore;

use super::super::aio::{self, Aio, Arrived, Heard, Queues, Read, Reading};
use super::super::format::Geometry;
use super::super::segment::Segment;
use super::super::space::Class;
use super::medium::{ALIGN, Medium as _, Mode};
use super::*;

/// Asynchronous reads that somebody attends to, and a segment to read.
struct Rig {
    aio: Arc<Aio>,
    segment: Arc<Segment>,
    memory: Memory,
    turns: Arc<Semaphore>,
    bytes: Vec<u8>,
    _folder: tempfile::TempDir,
}

/// None where the system allows none.
fn rig(length: usize) -> Option<Rig> {
    let aio = Aio::new().ok()?;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s");
    let bytes: Vec<u8> = (0..length)
        .map(|at| (at / 512 * 7).to_le_bytes()[0])
        .collect();
    std::fs::write(&path, &bytes).expect("room");
    // What the page cache has not written the kernel would write first, which takes time: it would not begin.
    let written = std::fs::File::open(&path).expect("it was written");
    written.sync_all().expect("room");
    let file = Real.open(&path, Mode::Direct).ok()?;
    let segment = Segment {
        number: 0,
        geometry: Geometry {
            segment_bytes: 4 << 20,
            class: Class::K64,
        },
        incarnation: 1,
        file,
    };
    Some(Rig {
        aio,
        segment: Arc::new(segment),
        memory: Memory::new(memory::Config { limit: 64 << 20 }),
        turns: Arc::new(Semaphore::new(64)),
        bytes,
        _folder: folder,
    })
}

/// What has arrived of a read that was taken.
async fn arrived(reading: Option<Reading>) -> Arrived {
    match reading.expect("it is taken").await {
        Heard::Arrived(arrived) => arrived,
        Heard::Back(..) => panic!("it was handed back"),
        Heard::Late => panic!("it is late"),
    }
}

impl Rig {
    fn read(&self, offset: u64, length: usize) -> Read {
        let reserved = self
            .memory
            .try_reserve(Pool::Fill, buffer::allocated(length));
        let turn = Arc::clone(&self.turns).try_acquire_owned();
        Read {
            segment: Arc::clone(&self.segment),
            offset,
            length,
            writer: Writer::new(length, reserved.expect("there is room")),
            turn: turn.expect("there are enough"),
        }
    }
}

#[tokio::test]
async fn what_is_read_is_right_and_each_turn_ends_with_its_read() {
    let Some(rig) = rig(1 << 20) else { return };
    let attending = aio::attend(Arc::clone(&rig.aio), std::future::pending());
    let reading = async {
        let begin = |at: usize| rig.aio.start(rig.read((at * ALIGN) as u64, 9000)).ok();
        let readings: Vec<_> = (0..40).map(begin).collect();
        let arrived = join_all(readings.into_iter().map(arrived)).await;
        // What has arrived holds no turn, though nobody has looked at it.
        assert_eq!(rig.turns.available_permits(), 64);
        for (at, arrived) in arrived.into_iter().enumerate() {
            let buffer = arrived.check(|read| {
                assert_eq!(read.len(), 3 * ALIGN, "whole multiples are read");
                Ok::<_, io::Error>(())
            });
            let buffer = buffer.expect("it is right");
            assert_eq!(buffer.as_slice(), &rig.bytes[at * ALIGN..at * ALIGN + 9000]);
        }
    };
    tokio::select! {
        () = attending => panic!("it goes on"),
        () = reading => {}
    }
}

#[tokio::test]
async fn what_is_short_or_refused_or_fails_its_check_is_an_error() {
    let Some(rig) = rig(ALIGN) else { return };
    let attending = aio::attend(Arc::clone(&rig.aio), std::future::pending());
    let right = |_: &[u8]| Ok::<_, io::Error>(());
    let reading = async {
        let kind = |read: io::Result<Buffer>| read.map_err(|error| error.kind()).err();
        let short = rig.aio.start(rig.read(0, 2 * ALIGN)).ok();
        let short = arrived(short).await.check(right);
        assert_eq!(kind(short), Some(io::ErrorKind::UnexpectedEof));
        let askew = rig.aio.start(rig.read(1, ALIGN)).ok();
        let askew = arrived(askew).await.check(right);
        assert_eq!(kind(askew), Some(io::ErrorKind::InvalidInput));
        let wrong = rig.aio.start(rig.read(0, ALIGN)).ok();
        let wrong = arrived(wrong)
            .await
            .check(|_| Err(io::ErrorKind::InvalidData.into()));
        assert_eq!(kind(wrong), Some(io::ErrorKind::InvalidData));
    };
    tokio::select! {
        () = attending => panic!("it goes on"),
        () = reading => {}
    }
}

#[tokio::test]
async fn a_block_that_changed_on_the_disk_is_damaged_however_it_is_read() {
    let setup = Setup::new(1, 32 * MIB);
    let world = setup.open().await;
    let block = block(1, 0);
    world.keep(block, BLOCK).await;
    // The first read brings the slot's table page to memory.
    assert_eq!(world.right(block, 0..PAGE).await, Ok(()));
    assert_eq!(world.right(block, 0..BLOCK).await, Ok(()));
    let counts = world.counts(&setup, 0);
    let allowed = Aio::new().is_ok() && setup.reads_directly();
    assert_eq!(counts.aio_reads.get() > 0, allowed);
    setup.damage(&content(block, 5 * PAGE..6 * PAGE));
    assert_eq!(world.right(block, 0..PAGE).await, Ok(()));
    assert_eq!(world.right(block, 0..BLOCK).await, Err(Miss::Damaged));
    assert_eq!(world.right(block, 0..PAGE).await, Err(Miss::Absent));
    world.close().await;
}

impl Setup {
    fn segments(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.path(0).join("segments")).expect("a folder");
        files.map(|file| file.expect("a file").path()).collect()
    }

    fn reads_directly(&self) -> bool {
        let segments = self.segments();
        let first = segments.first().expect("there is one");
        Real.open(first, Mode::Direct).is_ok()
    }

    /// Changes the last byte of `page`, wherever it lies.
    fn damage(&self, page: &[u8]) {
        for path in self.segments() {
            let content = std::fs::read(&path).expect("a file");
            let found = content.chunks(ALIGN).position(|it| it == &page[..ALIGN]);
            let Some(place) = found else { continue };
            let file = std::fs::OpenOptions::new().write(true).open(&path);
            let last = place * ALIGN + page.len() - 1;
            let other = [!page[page.len() - 1]];
            file.expect("a file")
                .write_all_at(&other, last as u64)
                .expect("room");
            return;
        }
        panic!("the page is on no disk");
    }
}

#[tokio::test]
async fn who_is_to_end_takes_no_more_and_waits_for_what_is_under_way() {
    let Some(rig) = rig(1 << 20) else { return };
    let left = rig.aio.start(rig.read(0, 1 << 20)).ok();
    // Whoever asked has gone: the kernel has the memory still.
    drop(left.expect("it is taken"));
    aio::attend(Arc::clone(&rig.aio), std::future::ready(())).await;
    assert_eq!(rig.turns.available_permits(), 64);
    assert_eq!(rig.memory.used(Pool::Fill), 0);
    assert!(rig.aio.start(rig.read(0, ALIGN)).is_err(), "it is closed");
}

#[tokio::test]
async fn who_waits_for_too_long_is_told_and_the_turn_ends_with_the_read() {
    let Some(rig) = rig(1 << 20) else { return };
    let reading = rig.aio.start(rig.read(0, 1 << 20)).ok();
    let reading = reading.expect("it is taken");
    rig.aio.give_up(Duration::ZERO);
    assert!(matches!(reading.await, Heard::Late));
    assert_eq!(rig.turns.available_permits(), 63);
    assert!(rig.memory.used(Pool::Fill) > 0, "the kernel has it");
    aio::attend(Arc::clone(&rig.aio), std::future::ready(())).await;
    assert_eq!(rig.turns.available_permits(), 64);
    assert_eq!(rig.memory.used(Pool::Fill), 0);
}

#[tokio::test]
async fn whoever_watches_waits_for_what_is_under_way_in_any_queue() {
    let Some(rig) = rig(1 << 20) else { return };
    let Ok(queues) = Queues::new(1) else { return };
    let queues = Arc::new(queues);
    let of_core = queues.of_cores().first().cloned();
    let left = queues.mine().start(rig.read(0, 1 << 20)).ok();
    let other = of_core.and_then(|it| it.start(rig.read(0, 1 << 20)).ok());
    drop((left.expect("it is taken"), other));
    let patience = Duration::from_millis(4);
    aio::watch(Arc::clone(&queues), patience, std::future::ready(())).await;
    assert_eq!(rig.turns.available_permits(), 64);
    assert_eq!(rig.memory.used(Pool::Fill), 0);
    let later = queues.mine().start(rig.read(0, ALIGN));
    assert!(later.is_err(), "it is closed");
}

#[tokio::test]
async fn each_core_hears_of_its_own_reads() {
    let setup = Setup::new(1, 32 * MIB);
    let world = Arc::new(setup.open().await);
    let block = block(1, 0);
    world.keep(block, BLOCK).await;
    // The first read brings the slot's table page to memory.
    assert_eq!(world.right(block, 0..PAGE).await, Ok(()));
    let counts = world.counts(&setup, 0);
    let before = counts.aio_reads.get();
    let queues = Queues::new(world.cores.count()).ok().map(Arc::new);
    let here = queues.as_ref().map(|it| std::ptr::from_ref(it.mine()));
    assert_eq!(here, queues.as_ref().map(|it| Arc::as_ptr(it.of_others())));
    for (number, seat) in world.cores.seats().enumerate() {
        let (tell, told) = tokio::sync::oneshot::channel();
        let (world, queues) = (Arc::clone(&world), queues.clone());
        let tasks = world.tasks.at(&seat);
        tasks.spawn("reads", async move {
            let right = world.right(block, 0..BLOCK).await;
            let own = queues.is_none_or(|it| std::ptr::eq(it.mine(), &*it.of_cores()[number]));
            drop(world);
            // Whoever is to get it waits below.
            let _ = tell.send((right, own));
        });
        assert_eq!(told.await, Ok((Ok(()), true)));
    }
    let read = counts.aio_reads.get() - before;
    let allowed = queues.is_some() && setup.reads_directly();
    assert_eq!(read, allowed as u64 * world.cores.count() as u64);
    Arc::into_inner(world).expect("all is read").close().await;
}

#[tokio::test]
async fn what_the_kernel_cannot_begin_at_once_comes_back_with_its_turn() {
    let Some(rig) = rig(ALIGN) else { return };
    for kind in [io::ErrorKind::WouldBlock, io::ErrorKind::Unsupported] {
        let heard = Reading::answered(rig.read(0, ALIGN), Err(kind.into())).await;
        let Heard::Back(turn, writer) = heard else {
            panic!("it does not come back: {kind}");
        };
        assert_eq!(rig.turns.available_permits(), 63);
        assert_eq!(writer.room(), ALIGN);
        drop(turn);
    }
    let heard = Reading::answered(rig.read(0, ALIGN), Err(io::ErrorKind::NotFound.into())).await;
    assert!(matches!(heard, Heard::Arrived(_)));
}

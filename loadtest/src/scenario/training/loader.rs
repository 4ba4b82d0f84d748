//! Loaders as those of WebDataset, MosaicML Streaming and Parquet readers: each takes a shard, reads it front to back in ranges,
//! some ahead of what is consumed, and takes the next one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::load::{Ask, Client, Order, Outcome, Sent, Target};

/// What the loaders of one epoch share.
pub(super) struct Epoch {
    /// Shards, shuffled anew in each epoch.
    pub(super) shards: Order,
    /// Counted from 0.
    pub(super) number: usize,
    /// Shards that have been taken.
    pub(super) taken: AtomicUsize,
    /// Bytes of a read.
    pub(super) read: u64,
    /// Reads that may wait to be consumed, of each loader.
    pub(super) ahead: usize,
    /// Bytes a second that each loader's consumer takes; nothing where it takes all at once.
    pub(super) pace: Option<f64>,
    pub(super) check_one_in: usize,
    pub(super) started: Instant,
    pub(super) sent: Sent,
}

/// What a loader brought, and how long its consumer waited for it.
#[derive(Default)]
pub(super) struct Loaded {
    pub(super) outcome: Outcome,
    pub(super) stalled: Duration,
}

impl Epoch {
    /// Loads shards until all are taken.
    pub(super) async fn load(self: Arc<Self>, target: Target) -> Loaded {
        let (ready, loaded) = mpsc::channel(self.ahead.max(1));
        let (outcome, stalled) = tokio::join!(
            self.read_shards(Client::new(&target), ready),
            consume(loaded, self.pace)
        );
        Loaded { outcome, stalled }
    }

    async fn read_shards(&self, mut client: Client, ready: mpsc::Sender<u64>) -> Outcome {
        let mut outcome = Outcome::since(self.started);
        let mut reads = 0_usize;
        while let Some(shard) = self.next_shard() {
            for read in reads_of(shard, self.read) {
                let check = self.check_one_in > 0 && reads.is_multiple_of(self.check_one_in);
                reads += 1;
                self.sent.add();
                client.send(&read, check, &mut outcome).await;
                let (first, end) = read.bytes();
                // The consumer takes until there is no more.
                let _ = ready.send(end - first).await;
            }
        }
        outcome
    }

    fn next_shard(&self) -> Option<&Ask> {
        let place = self.taken.fetch_add(1, Ordering::Relaxed);
        let number = self.number * self.shards.len() + place;
        (place < self.shards.len()).then(|| self.shards.at(number))
    }
}

fn reads_of(shard: &Ask, length: u64) -> impl Iterator<Item = Ask> {
    let firsts = (0..shard.size.div_ceil(length)).map(move |read| read * length);
    firsts.map(move |first| Ask {
        range: Some((first, (first + length).min(shard.size))),
        ..shard.clone()
    })
}

/// Takes what is loaded, at its pace. Returns how long it waited while it had nothing to work on.
async fn consume(mut loaded: mpsc::Receiver<u64>, pace: Option<f64>) -> Duration {
    let mut stalled = Duration::ZERO;
    let mut busy_until = Instant::now();
    while let Some(bytes) = {
        let idle_from = Instant::now();
        let bytes = loaded.recv().await;
        if bytes.is_some() {
            stalled += idle_from.elapsed();
        }
        bytes
    } {
        let Some(pace) = pace else { continue };
        busy_until = busy_until.max(Instant::now()) + Duration::from_secs_f64(bytes as f64 / pace);
        tokio::time::sleep_until(busy_until.into()).await;
    }
    stalled
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{Credentials, whole};
    use crate::origin::{Origin, Set, Terms};

    fn epoch(set: &Set, number: usize, pace: Option<f64>) -> Arc<Epoch> {
        let shards: Arc<[Ask]> = whole(std::slice::from_ref(set)).into();
        Arc::new(Epoch {
            shards: Order::epochs(&shards, 1),
            number,
            taken: AtomicUsize::new(0),
            read: 64 << 10,
            ahead: 2,
            pace,
            check_one_in: 1,
            started: Instant::now(),
            sent: Sent::default(),
        })
    }

    fn target(origin: &Origin) -> Target {
        Target {
            address: origin.address,
            bucket: "b".into(),
            region: "us-east-1".into(),
            credentials: Some(Credentials {
                id: "A".into(),
                secret: "S".into(),
            }),
            tls: None,
        }
    }

    #[test]
    fn a_shard_is_read_front_to_back() {
        let reads: Vec<_> = reads_of(&Ask::whole("k", 150), 64)
            .map(|it| it.bytes())
            .collect();
        assert_eq!(reads, [(0, 64), (64, 128), (128, 150)]);
    }

    #[tokio::test]
    async fn loaders_read_every_shard_of_an_epoch_once() {
        let set = Set::new("shards", 150 << 10, 10);
        let origin = Origin::local(vec![set.clone()]).await.unwrap();
        let epoch = epoch(&set, 3, None);
        let load = || Arc::clone(&epoch).load(target(&origin));
        let (one, two) = tokio::join!(load(), load());
        for loaded in [&one, &two] {
            assert_eq!(loaded.outcome.complaints(), None);
            assert!(loaded.outcome.answers > 0);
        }
        assert_eq!(one.outcome.answers + two.outcome.answers, 30);
        assert_eq!(origin.counted().sent_bytes, set.bytes());
    }

    #[tokio::test]
    async fn a_consumer_stalls_while_data_is_late_and_only_then() {
        let set = Set::new("shards", 128 << 10, 2);
        let origin = Origin::local(vec![set.clone()]).await.unwrap();
        // Four reads of 64 KiB, each consumed in 50 ms while the next ones come.
        let pace = f64::from(64 << 10) / 0.05;
        let quick = epoch(&set, 0, Some(pace)).load(target(&origin)).await;
        assert!(
            quick.stalled < Duration::from_millis(300),
            "{:?}",
            quick.stalled
        );
        origin.set_terms(Terms {
            latency_ms: 200,
            ..Terms::default()
        });
        let late = epoch(&set, 0, Some(pace)).load(target(&origin)).await;
        // 200 ms for the first, and 150 for each of three others that came 200 ms after the one before.
        let stalled = late.stalled.as_millis();
        assert!((600..1500).contains(&stalled), "{stalled}");
    }
}

//! One client of the soak: it writes, reads and deletes objects of its own, and so knows what every answer must be.

use std::sync::Arc;
use std::time::Instant;

use crate::load::{Ask, Client, Outcome, Queue, Verb};
use crate::origin::Set;
use crate::random::Random;

/// Of the objects of a client, in turn.
const SIZES: [u64; 5] = [4_096, 110_000, 1 << 20, 3 << 20, 8 << 20];
/// When a client acts again.
#[derive(Clone)]
pub(super) enum Turns {
    /// At once, until then.
    Closed(Instant),
    /// When an action is due that nobody else has taken.
    Open(Arc<Queue>),
}

impl Turns {
    /// When the next action is due; nothing where there is none.
    async fn next(&self) -> Option<Instant> {
        match self {
            Self::Closed(until) => Some(Instant::now()).filter(|now| now < until),
            Self::Open(queue) => queue.next().await.map(|arrival| arrival.intended),
        }
    }
}

/// What one client knows of an object that only it writes.
pub(super) struct Known {
    key: Arc<str>,
    size: u64,
    state: State,
    /// The generation of the last write.
    last: u64,
}

/// What an object is.
#[derive(Clone, Copy)]
enum State {
    Generation(u64),
    Deleted,
    /// A write was not answered: it may have been done or not, or be done later.
    Uncertain,
}

/// What the client of a number works with.
pub(super) fn objects_of(client: usize, count: usize) -> Vec<Known> {
    (0..count).map(|object| known(client, object)).collect()
}

fn known(client: usize, object: usize) -> Known {
    let size = SIZES[object % SIZES.len()];
    Known {
        key: Set::new(&format!("soak/{client}"), size, 0)
            .key(object)
            .into(),
        size,
        state: State::Generation(0),
        last: 0,
    }
}

/// Acts on objects that nobody else writes, for as long as there are turns.
pub(super) async fn live(
    mut client: Client,
    mut objects: Vec<Known>,
    seed: u64,
    turns: Turns,
    mut outcome: Outcome,
) -> Outcome {
    let mut random = Random::seeded(seed);
    while let Some(due) = turns.next().await {
        let at = random.index(objects.len());
        act(
            &mut client,
            &mut objects[at],
            due,
            &mut random,
            &mut outcome,
        )
        .await;
    }
    outcome
}

async fn act(
    client: &mut Client,
    known: &mut Known,
    due: Instant,
    random: &mut Random,
    outcome: &mut Outcome,
) {
    let generation = match known.state {
        State::Generation(generation) => Some(generation),
        State::Deleted | State::Uncertain => None,
    };
    let get = Ask {
        key: Arc::clone(&known.key),
        generation: generation.unwrap_or(0),
        ..Ask::whole("", known.size)
    };
    let draw = random.below(100);
    if draw < 15 || generation.is_none() {
        known.last += 1;
        let put = Ask {
            verb: Verb::Put,
            generation: known.last,
            ..get
        };
        let done = client.send_due(&put, false, due, outcome).await;
        known.state = if done {
            State::Generation(known.last)
        } else {
            State::Uncertain
        };
    } else if draw < 20 {
        let delete = Ask {
            verb: Verb::Delete,
            ..get.clone()
        };
        let done = client.send_due(&delete, false, due, outcome).await;
        known.state = if done {
            State::Deleted
        } else {
            State::Uncertain
        };
        if done {
            gone(client, &get, outcome).await;
        }
    } else if draw < 30 {
        let head = Ask {
            verb: Verb::Head,
            ..get
        };
        client.send_due(&head, false, due, outcome).await;
    } else if draw < 60 {
        let first = random.below(known.size);
        let end = first + 1 + random.below(known.size - first);
        let range = Ask {
            range: Some((first, end)),
            ..get
        };
        client.send_due(&range, true, due, outcome).await;
    } else {
        client.send_due(&get, true, due, outcome).await;
    }
}

/// A read after a delete must not find anything.
async fn gone(client: &mut Client, get: &Ask, outcome: &mut Outcome) {
    match client.ask(get, false).await {
        Ok(answer) if answer.status == 404 => {}
        Ok(answer) => outcome.failed(&format!("GET after DELETE {}", answer.status)),
        Err(error) => outcome.failed(&format!("GET {error}")),
    }
}

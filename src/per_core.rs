//! Values of which each core has its own: what one core writes for every request, the others would wait for.

use std::cell::Cell;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use arc_swap::{ArcSwap, Guard};

/// A value that shares no line of a processor's cache with another, nor one of the pairs of lines that it fetches together. In
/// an [`Arc`] the counts of references have such a place, too. A type that is only ever used so says it itself
/// (`#[repr(align(128))]`).
#[derive(Debug)]
#[repr(align(128))]
pub struct Apart<T>(pub T);

thread_local! {
    static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
}

/// How many cores there are, or fewer where a control group allows less.
pub fn count() -> usize {
    static COUNT: OnceLock<usize> = OnceLock::new();
    *COUNT.get_or_init(|| thread::available_parallelism().map_or(1, usize::from))
}

/// Makes the calling thread that of the core `number`, from 0 on.
pub fn settle(number: usize) {
    NUMBER.set(Some(number));
}

/// The number of the core that the caller runs on; none where it runs on a thread of no core.
pub fn current() -> Option<usize> {
    NUMBER.get()
}

/// A value for each core, and one for all threads of none. They may be used from everywhere; the point is
/// that hardly anybody does.
pub struct PerCore<T>(Box<[Apart<T>]>);

impl<T> PerCore<T> {
    /// Values as `make` makes them.
    pub fn new(mut make: impl FnMut() -> T) -> Self {
        Self((0..=count()).map(|_| Apart(make())).collect())
    }

    /// The value of the core that the caller runs on.
    pub fn own(&self) -> &T {
        let others = self.0.len() - 1;
        &self.0[current().map_or(others, |core| core.min(others))].0
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|own| &own.0)
    }
}

impl<T: Default> Default for PerCore<T> {
    fn default() -> Self {
        Self::new(T::default)
    }
}

impl<T: fmt::Debug> fmt::Debug for PerCore<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// A value that all cores read, and that is replaced as a whole. Each core has a clone, so that the references to what it
/// reads are counted where no other core counts: what references are counted to must lie apart ([`Apart`]), in clones too.
#[derive(Debug)]
pub struct Copies<T> {
    own: PerCore<ArcSwap<T>>,
    /// Held while they are replaced: of two who do, the later one does on every core.
    storing: Mutex<()>,
}

impl<T: Clone> Copies<T> {
    /// Clones of `value`, which should share nothing whose references are counted.
    pub fn new(value: &T) -> Self {
        Self {
            own: PerCore::new(|| ArcSwap::from_pointee(value.clone())),
            storing: Mutex::default(),
        }
    }

    /// The value, for as long as a request takes a look at it.
    pub fn load(&self) -> Guard<Arc<T>> {
        self.own.own().load()
    }

    /// The value, to keep.
    pub fn load_full(&self) -> Arc<T> {
        self.own.own().load_full()
    }

    /// Replaces the value. Until it returns some cores may still read the one before.
    pub fn store(&self, value: &T) {
        let _alone = self.storing.lock().unwrap_or_else(PoisonError::into_inner);
        for own in self.own.iter() {
            own.store(Arc::new(value.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_core_has_its_own_and_everybody_else_another() {
        let mut next = 0;
        let values = PerCore::new(|| {
            next += 1;
            next
        });
        let cores = values.iter().count() - 1;
        let own = |number: Option<usize>| {
            thread::scope(|scope| {
                let look = || {
                    number.into_iter().for_each(settle);
                    assert_eq!(current(), number);
                    *values.own()
                };
                scope.spawn(look).join().expect("it looks")
            })
        };
        let seen: HashSet<_> = (0..cores).map(Some).chain([None]).map(own).collect();
        assert_eq!(seen, values.iter().copied().collect());
        assert_eq!(
            own(Some(cores + 7)),
            own(None),
            "there were fewer cores then"
        );
    }

    #[test]
    fn what_is_stored_is_read_on_every_core() {
        let copies = Copies::new(&1);
        assert_eq!((**copies.load(), *copies.load_full()), (1, 1));
        copies.store(&2);
        assert!(copies.own.iter().all(|own| **own.load() == 2));
    }
}

//! Threads that go through a forward pass together.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError, RwLock};

/// A point that all members of a team reach before any goes on.
///
/// Members wait for microseconds, some hundred times for each pass over the weights, so they spin for a while before they
/// sleep.
struct Barrier {
    members: usize,
    arrived: AtomicUsize,
    generation: AtomicUsize,
    sleep: Mutex<()>,
    woken: Condvar,
}

/// How often a member looks before it sleeps.
const SPINS: u32 = 1 << 12;
/// After how many looks it lets other threads go first, each time: where these are more than cores, the member that all wait
/// for may be waiting for a core.
const YIELD_EVERY: u32 = 1 << 7;

impl Barrier {
    fn new(members: usize) -> Self {
        Self {
            members,
            arrived: AtomicUsize::new(0),
            generation: AtomicUsize::new(0),
            sleep: Mutex::new(()),
            woken: Condvar::new(),
        }
    }

    fn wait(&self) {
        let generation = self.generation.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.members {
            self.arrived.store(0, Ordering::Relaxed);
            // Under the lock, so none that is about to sleep misses it.
            let lock = self.sleep.lock().unwrap_or_else(PoisonError::into_inner);
            self.generation.fetch_add(1, Ordering::Release);
            drop(lock);
            self.woken.notify_all();
            return;
        }
        for looks in 1..=SPINS {
            if self.generation.load(Ordering::Acquire) != generation {
                return;
            }
            if looks.is_multiple_of(YIELD_EVERY) {
                std::thread::yield_now();
            } else {
                std::hint::spin_loop();
            }
        }
        let mut lock = self.sleep.lock().unwrap_or_else(PoisonError::into_inner);
        while self.generation.load(Ordering::Acquire) == generation {
            lock = self.woken.wait(lock).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Threads that share the products of the same rows: each computes a part of every vector and gets the other parts.
pub(super) struct Team {
    barrier: Barrier,
    /// Two sets of a part for each member, used in turns: while a slow member still reads one, a fast one writes the other.
    parts: [Vec<RwLock<Vec<i32>>>; 2],
}

impl Team {
    pub(super) fn new(members: usize) -> Self {
        let parts = || (0..members).map(|_| RwLock::default()).collect();
        Self {
            barrier: Barrier::new(members),
            parts: [parts(), parts()],
        }
    }
}

/// What a thread is in its team.
pub(super) struct Member<'t> {
    team: &'t Team,
    pub(super) index: usize,
    /// How often parts were exchanged.
    turns: usize,
}

impl<'t> Member<'t> {
    pub(super) fn new(team: &'t Team, index: usize) -> Self {
        Self {
            team,
            index,
            turns: 0,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.team.barrier.members
    }

    /// Waits for all others.
    pub(super) fn wait(&self) {
        if self.count() > 1 {
            self.team.barrier.wait();
        }
    }

    /// This member's share of `len` things, which begins at a multiple of `group`.
    pub(super) fn share(&self, len: usize, group: usize) -> std::ops::Range<usize> {
        share(len, group, self.index, self.count())
    }

    /// Gives this member's share of the columns of `rows` rows, and receives those of all: int32 `[rows, len]`. Shares are
    /// those of [`Member::share`].
    pub(super) fn exchange(
        &mut self,
        part: &mut Vec<i32>,
        rows: usize,
        len: usize,
        group: usize,
        all: &mut [i32],
    ) {
        let parts = &self.team.parts[self.turns % 2];
        self.turns += 1;
        {
            let mut mine = parts[self.index].write().unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut *mine, part);
        }
        self.wait();
        for (index, part) in parts.iter().enumerate() {
            let columns = share(len, group, index, parts.len());
            if columns.is_empty() {
                continue;
            }
            let part = part.read().unwrap_or_else(PoisonError::into_inner);
            let width = columns.len();
            for (all, part) in all[..rows * len]
                .chunks_exact_mut(len)
                .zip(part.chunks_exact(width))
            {
                all[columns.clone()].copy_from_slice(part);
            }
        }
    }
}

fn share(len: usize, group: usize, index: usize, count: usize) -> std::ops::Range<usize> {
    let groups = len.div_ceil(group);
    let bound = |index: usize| (groups * index / count * group).min(len);
    bound(index)..bound(index + 1)
}

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::model::ids::ConnectionId;

/// The messages that are not published yet: contents that are not whole, and transactions that
/// are not committed.
///
/// They are not counted at the [memory mark](super::memory::MessageMemory): who waits there is
/// read from no more, and could then never finish what waits. They have a limit of their own, at
/// which one connection after the other goes on, the one that began first before all others.
#[derive(Debug)]
pub(crate) struct Unfinished {
    max_bytes: u64,
    state: Mutex<UnfinishedState>,
}

#[derive(Debug, Default)]
struct UnfinishedState {
    bytes: u64,
    next_turn: u64,
    shares: HashMap<ConnectionId, Share>,
    /// Who began first goes on first.
    turns: BTreeMap<u64, ConnectionId>,
}

/// What one connection holds.
#[derive(Debug)]
struct Share {
    turn: u64,
    bytes: u64,
    waiting: Option<Waker>,
}

impl Unfinished {
    pub(crate) fn new(max_bytes: u64) -> Self {
        Self { max_bytes, state: Mutex::default() }
    }

    /// The bytes that all connections hold.
    pub(crate) fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    /// The bytes that this connection holds.
    pub(crate) fn bytes_of(&self, connection: ConnectionId) -> u64 {
        self.lock().shares.get(&connection).map_or(0, |share| share.bytes)
    }

    /// A connection holds this many bytes more.
    pub(crate) fn grow(&self, connection: ConnectionId, bytes: u64) {
        if bytes == 0 {
            return;
        }
        let mut state = self.lock();
        let UnfinishedState { bytes: all, next_turn, shares, turns } = &mut *state;
        *all = all.saturating_add(bytes);
        let share = shares.entry(connection).or_insert_with(|| {
            let turn = *next_turn;
            *next_turn += 1;
            turns.insert(turn, connection);
            Share { turn, bytes: 0, waiting: None }
        });
        share.bytes = share.bytes.saturating_add(bytes);
    }

    /// A connection holds this many bytes less; who may go on now is woken.
    pub(crate) fn shrink(&self, connection: ConnectionId, bytes: u64) {
        if bytes == 0 {
            return;
        }
        let woken = {
            let mut state = self.lock();
            state.bytes = state.bytes.saturating_sub(bytes);
            if let Some(share) = state.shares.get_mut(&connection) {
                share.bytes = share.bytes.saturating_sub(bytes);
                if share.bytes == 0 {
                    let turn = share.turn;
                    state.turns.remove(&turn);
                    state.shares.remove(&connection);
                }
            }
            state.next_woken(self.max_bytes)
        };
        for waker in woken {
            waker.wake();
        }
    }

    /// Ready while the connection may send more; otherwise the waker is called when it may.
    pub(crate) fn poll_turn(&self, connection: ConnectionId, waker: &Waker) -> Poll<()> {
        let mut state = self.lock();
        if state.bytes < self.max_bytes || state.first() == Some(connection) {
            return Poll::Ready(());
        }
        match state.shares.get_mut(&connection) {
            // It holds nothing that somebody could wait for.
            None => Poll::Ready(()),
            Some(share) => {
                share.waiting = Some(waker.clone());
                Poll::Pending
            }
        }
    }

    /// Whether all others wait for this connection to finish.
    pub(crate) fn is_waited_for(&self, connection: ConnectionId) -> bool {
        let state = self.lock();
        state.bytes >= self.max_bytes && state.turns.len() > 1 && state.first() == Some(connection)
    }

    /// The state is whole between any two calls.
    fn lock(&self) -> MutexGuard<'_, UnfinishedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnfinishedState {
    fn first(&self) -> Option<ConnectionId> {
        self.turns.first_key_value().map(|(_, connection)| *connection)
    }

    /// Everybody when there is room, else the one whose turn it is.
    fn next_woken(&mut self, max_bytes: u64) -> Vec<Waker> {
        if self.bytes < max_bytes {
            return self.shares.values_mut().filter_map(|share| share.waiting.take()).collect();
        }
        let first = self.first().and_then(|connection| self.shares.get_mut(&connection));
        first.and_then(|share| share.waiting.take()).into_iter().collect()
    }
}

/// What the unfinished contents of one connection hold; nothing any more once it is dropped.
#[derive(Debug)]
pub(crate) struct UnfinishedContents {
    unfinished: Arc<Unfinished>,
    connection: ConnectionId,
    bytes: u64,
}

impl UnfinishedContents {
    pub(crate) fn new(unfinished: Arc<Unfinished>, connection: ConnectionId) -> Self {
        Self { unfinished, connection, bytes: 0 }
    }

    /// What the connection holds, its transactions too.
    pub(crate) fn of_connection(&self) -> u64 {
        self.unfinished.bytes_of(self.connection)
    }

    /// Ready while the connection may send more; see [`Unfinished::poll_turn`].
    pub(crate) fn poll_turn(&self, waker: &Waker) -> Poll<()> {
        self.unfinished.poll_turn(self.connection, waker)
    }

    /// Whether all others wait for this connection; see [`Unfinished::is_waited_for`].
    pub(crate) fn are_waited_for(&self) -> bool {
        self.unfinished.is_waited_for(self.connection)
    }

    /// They hold this many bytes now.
    pub(crate) fn set(&mut self, bytes: u64) {
        self.unfinished.grow(self.connection, bytes.saturating_sub(self.bytes));
        self.unfinished.shrink(self.connection, self.bytes.saturating_sub(bytes));
        self.bytes = bytes;
    }
}

impl Drop for UnfinishedContents {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::counting_waker::WakeCount;

    const ONE: ConnectionId = ConnectionId(1);
    const TWO: ConnectionId = ConnectionId(2);
    const THREE: ConnectionId = ConnectionId(3);

    #[test]
    fn at_the_limit_they_go_on_one_after_the_other() {
        let unfinished = Unfinished::new(100);
        let (count, waker) = WakeCount::new();
        unfinished.grow(TWO, 60);
        unfinished.grow(ONE, 30);
        assert!(unfinished.poll_turn(ONE, &waker).is_ready());
        unfinished.grow(ONE, 30);
        assert!(unfinished.poll_turn(ONE, &waker).is_pending());
        assert!(unfinished.poll_turn(TWO, &waker).is_ready(), "it began first");
        assert!(unfinished.poll_turn(THREE, &waker).is_ready(), "it holds nothing");
        assert!(unfinished.is_waited_for(TWO) && !unfinished.is_waited_for(ONE));
        unfinished.grow(TWO, 500);
        assert!(unfinished.poll_turn(TWO, &waker).is_ready(), "whatever it takes");
        assert_eq!(count.get(), 0);
        unfinished.shrink(TWO, 560);
        assert_eq!(count.get(), 1);
        assert!(unfinished.poll_turn(ONE, &waker).is_ready());
        assert_eq!((unfinished.bytes(), unfinished.bytes_of(ONE)), (60, 60));
    }

    #[test]
    fn the_next_is_woken_when_the_first_is_done_though_there_is_no_room() {
        let unfinished = Unfinished::new(10);
        for connection in [ONE, TWO, THREE] {
            unfinished.grow(connection, 20);
        }
        let (second, second_waker) = WakeCount::new();
        let (third, third_waker) = WakeCount::new();
        assert!(unfinished.poll_turn(TWO, &second_waker).is_pending());
        assert!(unfinished.poll_turn(THREE, &third_waker).is_pending());
        unfinished.shrink(ONE, 20);
        assert_eq!(second.get(), 1);
        assert_eq!(third.get(), 0);
        assert!(unfinished.poll_turn(TWO, &second_waker).is_ready());
    }

    #[test]
    fn contents_that_are_dropped_hold_nothing() {
        let unfinished = Arc::new(Unfinished::new(10));
        let mut contents = UnfinishedContents::new(Arc::clone(&unfinished), ONE);
        contents.set(7);
        contents.set(3);
        assert_eq!(unfinished.bytes(), 3);
        drop(contents);
        assert_eq!((unfinished.bytes(), unfinished.is_waited_for(ONE)), (0, false));
    }
}

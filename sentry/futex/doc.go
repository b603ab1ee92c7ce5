// Package futex has the queues of tasks that wait at a word of guest memory,
// futex(2).
//
//   - It owns who waits where, and the rules by which a word, its waiters and,
//     for the PI operations, its owner change together.
//   - A word is named by mm.FutexKey; its value is read and changed through the
//     Space of whoever asks, under the lock of the word's bucket: a waker that
//     changed the word finds every waiter that saw it as it was before.
//   - It knows no kernel task: waiting is done by current.Task.Block.
//
// Life of a waiter: taken from the pool → filled in → queued under its bucket's
// lock, the word being as expected → Block, any number of times → woken (it is
// on no queue and says so) or taken off by its own task → back into the pool.
// A requeue moves it to another bucket, so whoever wants its bucket's lock
// looks again once that is held.
//
// PI futexes have ownership semantics: the word names its owner, a lock is
// handed to the longest waiter, and a dead owner's lock to the next with
// FUTEX_OWNER_DIED. Priorities are the host's affair, none is inherited.
package futex

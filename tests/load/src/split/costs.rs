//! What things cost. Each figure is measured, and named with its table in docs/benchmarks.md, or said to be assumed.

/// Nanoseconds of virtual time.
pub(crate) type Nanos = u64;

pub(crate) const MICRO: Nanos = 1_000;
pub(crate) const SECOND: Nanos = 1_000_000_000;

/// Rows in one batch, and rows that may wait for one appender (`AppendLimits` of the domain).
pub(crate) const MOST_ROWS: usize = 512;
pub(crate) const MOST_WAITING: usize = 4_096;

/// What an append and its way to the clients cost.
///
/// "The log on PostgreSQL" gives the sums. One publisher alone has a row every 0.78 ms, batches of 512 rows leave every 14.2 ms: so
/// a batch costs 0.757 ms and a row 26.2 µs, and on the slow disk 3.58 ms and the same 26.2 µs. How the 0.757 ms divide is assumed, after
/// the naive INSERT of the same table (0.51 ms) and the function's own 0.2 ms of the text below it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Costs {
    /// To the store and back, without the head's lock.
    pub(crate) away: Nanos,
    /// The statement itself, under the lock, on a core of the store.
    pub(crate) statement: Nanos,
    /// Each of its rows, likewise.
    pub(crate) row: Nanos,
    /// One flush of the write-ahead log, under the lock; commits that wait for it at the same time share it.
    pub(crate) flush: Nanos,
    /// Each row of a flush: 1.2 KB at 1 GB/s (assumed, and taken off what a row costs in all).
    pub(crate) flushed_row: Nanos,
    /// Taking one of a batch of notifications in, on a core of the node: 35 µs where it is published, less `follow`
    /// ("The way between two nodes").
    pub(crate) accept: Nanos,
    /// Hearing of a row and handing it to its one reader, on a core of each node (same table: 18 µs).
    pub(crate) follow: Nanos,
    /// Each further reader of a row ("One node on SQLite", batches to all: 2.6 µs).
    pub(crate) deliver: Nanos,
    /// How much later another node hears, at the median (same table: 0.27 ms); its distribution is assumed to be exponential.
    pub(crate) hop: Nanos,
}

/// The disk of docs/benchmarks.md, and the one that was made 2 ms slower.
pub(crate) const NATIVE: Costs = Costs {
    away: 100 * MICRO,
    statement: 257 * MICRO,
    row: 25 * MICRO,
    flush: 400 * MICRO,
    flushed_row: 1_200,
    accept: 17 * MICRO,
    follow: 18 * MICRO,
    deliver: 2_600,
    hop: 270 * MICRO,
};
pub(crate) const SLOW: Costs = Costs { flush: NATIVE.flush + 2_823 * MICRO, ..NATIVE };

/// docs/benchmarks.md, "The log on PostgreSQL": the disk, publishers, rows/s and p50 in ms.
pub(crate) const MEASURED: [(Costs, usize, f64, f64); 8] = [
    (NATIVE, 1, 1_276.0, 0.74),
    (NATIVE, 16, 9_287.0, 1.50),
    (NATIVE, 256, 32_031.0, 7.45),
    (NATIVE, 1_024, 36_111.0, 27.29),
    (SLOW, 1, 277.0, 3.47),
    (SLOW, 16, 2_983.0, 4.34),
    (SLOW, 256, 23_603.0, 9.95),
    (SLOW, 1_024, 30_242.0, 32.31),
];

//! How many rows a second the log takes on this disk, one by one and in batches: `cargo run --release --example
//! append_rate -p carillon-store-sqlite [DIRECTORY]`.

use std::error::Error;
use std::time::{Duration, Instant};

use carillon_domain::ports::{Inbox as _, Log as _};
use carillon_domain::testing::{Drafts, instant, principal};
use carillon_domain::{ListQuery, Mark, Position, Role};
use carillon_store_sqlite::{Settings, SqliteStore};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let directory = match std::env::args().nth(1) {
        Some(parent) => tempfile::tempdir_in(parent)?,
        None => tempfile::tempdir()?,
    };
    let store = SqliteStore::open(Settings::new(directory.path().join("carillon.db"))).await?;
    let who = store.enter(&principal("1", Role::Patient)).await?;
    let drafts = Drafts::new();
    for (size, keyed) in [(1, false), (256, false), (256, true)] {
        let (mut rows, mut calls, begun) = (0, 0_u32, Instant::now());
        while begun.elapsed() < Duration::from_secs(3) {
            let batch: Vec<_> = (0..size)
                .map(|n| match keyed {
                    true => drafts.keyed(&["user:1"], "lab", &format!("{calls}/{n}"), 1),
                    false => drafts.publish(&["user:1"]),
                })
                .collect();
            rows += store.append(&batch).await?.rows.len();
            calls += 1;
        }
        let seconds = begun.elapsed().as_secs_f64();
        let (rate, each) = (rows as f64 / seconds, 1_000.0 * seconds / f64::from(calls));
        println!("batches of {size}, keys {keyed}: {rate:.0} rows/s, {each:.2} ms a batch");
    }
    for read in [false, true] {
        if read {
            store.mark(&who, &Mark::ReadAll, instant(1)).await?;
        }
        let (mut unread, begun) = (0, Instant::now());
        for _ in 0..100 {
            unread = store.unread(&who, Position::END, instant(2)).await?;
        }
        let counted = begun.elapsed() / 100;
        let begun = Instant::now();
        for _ in 0..100 {
            store.list(&who, ListQuery::default(), instant(2)).await?;
        }
        let listed = begun.elapsed() / 100;
        println!(
            "an inbox of {}: {unread} unread counted in {counted:?}, 20 listed in {listed:?}",
            store.head().await?.position.get()
        );
    }
    Ok(())
}

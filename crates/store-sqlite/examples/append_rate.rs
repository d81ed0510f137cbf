//! What the log costs on SQLite.
use std::sync::Arc;
use std::time::{Duration, Instant};
use carillon_domain::ports::{Log, Publish};
use carillon_domain::testing::Drafts;
use carillon_store_sqlite::{Settings, SqliteStore};

fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<&str> = s[s.rfind(')').unwrap()+2..].split(' ').collect();
    (f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap()) / 100.0
}

fn main() {
    let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    rt.block_on(async {
        tokio::spawn(async {
        let dir = std::env::args().nth(1).unwrap();
        let file = format!("{dir}/append_rate.db");
        for end in ["", "-wal", "-shm"] { let _ = std::fs::remove_file(format!("{file}{end}")); }
        let store: Arc<dyn Log> = Arc::new(SqliteStore::open(Settings::new(&file)).await.unwrap());
        let drafts = Drafts::new();
        let mut seed = 1u64;
        for size in [512usize, 100, 16, 1] {
            let mut rows = 0;
            let (began, used) = (Instant::now(), cpu());
            let mut commits = 0;
            while began.elapsed() < Duration::from_secs(4) {
                let batch: Vec<Publish> = (0..size).map(|_| {
                    seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    let room = format!("user:load-{}", (seed >> 33) % 10_000);
                    drafts.publish(&[&room])
                }).collect();
                store.append(&batch).await.unwrap();
                rows += size; commits += 1;
            }
            let (t, c) = (began.elapsed().as_secs_f64(), cpu() - used);
            println!("{size:>5}: {:>8.0} rows/s  {:>6.1} us CPU a row, {:.2} ms a commit", rows as f64 / t, c * 1e6 / rows as f64, t * 1e3 / commits as f64);
        }
        }).await.unwrap();
    });
}

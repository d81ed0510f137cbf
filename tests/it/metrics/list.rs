//! The list of metrics that operators read, docs/operations/metrics.md, and what a node shows.

use std::collections::{BTreeMap, BTreeSet};

use carillon_tests::{Http, PATIENCE};
use tokio::time::{sleep, timeout};

const LIST: &str = include_str!("../../../docs/operations/metrics.md");

/// What the list says of a metric: its kind and its labels.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    kind: String,
    labels: BTreeSet<String>,
}

/// The words of a cell that are set as code.
fn coded(cell: &str) -> impl Iterator<Item = String> + '_ {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// Each metric of the list.
pub(super) fn list() -> BTreeMap<String, Entry> {
    let rows = LIST.lines().filter(|line| line.starts_with("| `carillon_"));
    let entries = rows.flat_map(|row| {
        let cells: Vec<_> = row.split('|').skip(1).collect();
        let (kind, labels) = (cells[1].trim().to_owned(), coded(cells[2]).collect::<BTreeSet<_>>());
        coded(cells[0]).map(move |name| (name, Entry { kind: kind.clone(), labels: labels.clone() }))
    });
    entries.collect()
}

/// What a node shows: its samples by their names and labels. Every metric among them is as the list has it.
async fn shown(http: &Http) -> BTreeMap<String, f64> {
    let text = http.get("/metrics").send().await.text;
    let list = list();
    let mut kinds = BTreeMap::new();
    let mut samples = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            assert_eq!(list.get(name).map(|entry| entry.kind.as_str()), Some(kind), "{name} in the list");
            kinds.insert(name.to_owned(), kind);
        } else if let Some((sample, value)) = line.rsplit_once(' ').filter(|_| !line.starts_with('#')) {
            let (metric, labels) = sample.split_once('{').unwrap_or((sample, ""));
            let labels = labels.split(['{', ',']).filter_map(|label| Some(label.split_once("=\"")?.0));
            let labels: BTreeSet<_> = labels.filter(|label| *label != "le").map(str::to_owned).collect();
            assert_eq!(list[family(metric, &kinds)].labels, labels, "{sample}");
            samples.insert(sample.to_owned(), value.parse().unwrap());
        }
    }
    assert!(!samples.is_empty(), "{text}");
    samples
}

/// The metric that a sample belongs to.
fn family<'a>(sample: &'a str, kinds: &BTreeMap<String, &str>) -> &'a str {
    let ends = ["_bucket", "_sum", "_count"].into_iter().filter_map(|end| sample.strip_suffix(end));
    ends.into_iter().find(|name| kinds.get(*name) == Some(&"histogram")).unwrap_or(sample)
}

/// Metrics of which a test must show that they move.
pub(super) struct Watch {
    names: &'static [&'static str],
    begun: Option<(Http, BTreeMap<String, f64>)>,
}

/// They did. Nothing else makes one of these.
pub(super) struct Moved(());

impl Watch {
    pub(super) fn over(names: &'static [&'static str]) -> Self {
        Self { names, begun: None }
    }

    /// Looks at this node from now on.
    pub(super) async fn begin(&mut self, http: &Http) {
        self.begun = Some((http.clone(), shown(http).await));
    }

    /// Waits until each of them has another value than at the beginning.
    pub(super) async fn moved(self) -> Moved {
        let (http, before) = self.begun.unwrap();
        let mut still: BTreeSet<_> = self.names.iter().copied().collect();
        let moves = async {
            while !still.is_empty() {
                for (sample, value) in shown(&http).await {
                    if before.get(&sample).copied().unwrap_or(0.0) != value {
                        still.retain(|name| !is_of(&sample, name));
                    }
                }
                sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        let moved = timeout(PATIENCE, moves).await;
        assert!(moved.is_ok(), "{still:?} do not move");
        Moved(())
    }
}

/// Whether a sample is one of this metric's.
fn is_of(sample: &str, metric: &str) -> bool {
    let rest = sample.strip_prefix(metric);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('{') || rest.starts_with("_count"))
}

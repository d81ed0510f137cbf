//! Every example in the documents is run by a test, or it is said here why not.

mod list;
mod run;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, process};

use list::{NOT_RUN, RUN};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A fenced block.
#[derive(Debug)]
struct Block {
    /// Its document, from the root.
    page: String,
    language: String,
    text: String,
}

/// The README, and every page below docs/.
fn pages() -> Vec<PathBuf> {
    let (mut pages, mut folders) = (vec![root().join("README.md")], vec![root().join("docs")]);
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "md") {
                pages.push(path);
            }
        }
    }
    pages
}

/// The blocks of a text: a fence is a line that begins with three or more backquotes or tildes, however far it is indented.
fn blocks(page: &str, text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut fence: Option<&str> = None;
    for line in text.lines() {
        let words = line.trim_start();
        let marks = words.len() - words.trim_start_matches(['`', '~']).len();
        let is_fence = marks >= 3 && (words.starts_with("```") || words.starts_with("~~~"));
        match fence {
            Some(open) if is_fence && words.trim_end() == open => fence = None,
            Some(_) => {
                if let Some(block) = blocks.last_mut() {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
            }
            None if is_fence => {
                fence = Some(&words[..marks]);
                let language = words[marks..].trim().to_owned();
                blocks.push(Block { page: page.to_owned(), language, text: String::new() });
            }
            None => {}
        }
    }
    assert!(fence.is_none(), "{page}: a fence is not closed");
    blocks
}

fn all() -> Vec<Block> {
    let all = pages().into_iter().flat_map(|path| {
        let page = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        blocks(&page, &fs::read_to_string(&path).unwrap())
    });
    all.collect()
}

/// What is wrong with these lists, held against these blocks.
fn faults(blocks: &[Block], run: &[(&str, &str, &str)], not_run: &[(&str, &str, &str)]) -> Vec<String> {
    let mut faults = Vec::new();
    let listed = || run.iter().chain(not_run);
    let is = |block: &Block, page: &str, words: &str| block.page == page && block.text.contains(words);
    for block in blocks {
        let entries = listed().filter(|(page, words, _)| is(block, page, words)).count();
        if entries != 1 {
            let first = block.text.lines().next().unwrap_or_default();
            faults.push(format!("{}: {entries} entries are for the block of {first:?}", block.page));
        }
    }
    for (page, words, _) in listed() {
        let found = blocks.iter().filter(|block| is(block, page, words)).count();
        if found != 1 {
            faults.push(format!("{page}: {found} blocks have {words:?}"));
        }
    }
    faults
}

#[test]
fn each_example_is_run_or_it_is_said_why_not() {
    assert_eq!(faults(&all(), RUN, NOT_RUN), Vec::<String>::new(), "see tests/it/examples/list.rs");
    let tests = sources(&root().join("tests/it"));
    for (page, words, name) in RUN {
        let test = tests.iter().find(|source| source.contains(&format!("async fn {name}(")));
        let test = test.unwrap_or_else(|| panic!("{page}: there is no test {name}"));
        assert!(test.contains(page), "{name} does not read {page}, {words:?}");
    }
    let reasons: Vec<_> = NOT_RUN.iter().filter(|(.., why)| why.len() < 20).collect();
    assert!(reasons.is_empty(), "{reasons:?}");
}

fn sources(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let sources = entries.filter(|path| !path.ends_with("list.rs")).flat_map(|path| {
        if path.is_dir() { sources(&path) } else { vec![fs::read_to_string(path).unwrap()] }
    });
    sources.collect()
}

#[test]
fn a_new_example_and_one_that_is_gone_are_noticed() {
    let text = "```sh\ncarillon serve\n```\n  ~~~\ncarillon demo\n  ~~~\n";
    let both = blocks("docs/new.md", text);
    assert_eq!(both.iter().map(|block| block.language.as_str()).collect::<Vec<_>>(), ["sh", ""]);
    let (serve, demo) = (("docs/new.md", "serve", "a_test"), ("docs/new.md", "demo", "needs something"));
    assert_eq!(faults(&both, &[serve], &[demo]), Vec::<String>::new());
    assert_eq!(faults(&both, &[serve], &[]).len(), 1);
    assert_eq!(faults(&both[..1], &[serve], &[demo]).len(), 1);
    // One that fits two blocks, or two that fit one.
    assert!(!faults(&both, &[("docs/new.md", "carillon", "a_test")], &[]).is_empty());
    assert!(!faults(&both, &[serve, serve], &[demo]).is_empty());
}

/// What is not run is at least a shell's, and names files that there are.
#[test]
fn every_shell_example_can_be_read_and_its_files_are_there() {
    for block in all().iter().filter(|block| block.language == "sh") {
        let shell = process::Command::new("bash").args(["-n", "-c", &block.text]).output().unwrap();
        assert!(shell.status.success(), "{}: {shell:?}", block.page);
        let words = block.text.split([' ', '\n', '\'', '"', '(', ')']);
        let ours = ["deploy/", "crates/", "tests/", "docs/", "./just"];
        let words = words.map(|word| word.trim_end_matches([',', ';', ':', '.']));
        let paths: BTreeSet<_> =
            words.filter(|word| ours.iter().any(|folder| word.starts_with(folder))).collect();
        for path in paths {
            assert!(root().join(path).exists(), "{}: {path}", block.page);
        }
    }
}

//! Server-sent events, as a plain HTTP client reads them (WHATWG HTML, "Interpreting an event stream").

use std::panic::Location;

use reqwest::Response;
use reqwest::header::HeaderMap;
use serde_json::Value;
use tokio::time::timeout;

use crate::PATIENCE;
use crate::client::AMBIENT;

/// A stream that is open.
#[derive(Debug)]
pub struct Events {
    response: Response,
    read: Vec<u8>,
    /// How the response ended, once it has.
    end: Option<End>,
}

/// How a response ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// As the server meant it to.
    Complete,
    /// The connection broke.
    Broken,
}

/// One block of a stream: an event, or a comment or a `retry` without one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Block {
    /// `event`, empty where there is none.
    pub name: String,
    /// `id`, where there is one.
    pub id: Option<String>,
    /// `data`, null where there is none.
    pub data: Value,
    /// `retry`, in milliseconds.
    pub retry: Option<u64>,
    /// What a comment says.
    pub comment: Option<String>,
}

impl Events {
    /// Reads on an answer of 200.
    pub(crate) fn new(response: Response) -> Self {
        Self { response, read: Vec::new(), end: None }
    }

    /// The headers of the answer.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The next block; how the response ended once there is none.
    ///
    /// # Panics
    /// When nothing comes within [`PATIENCE`], or what comes is no event stream.
    pub async fn block(&mut self) -> Result<Block, End> {
        loop {
            if let Some(end) = self.read.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.read.drain(..end + 2).collect();
                return Ok(Block::read(&block));
            }
            if let Some(end) = self.end {
                return Err(end);
            }
            match timeout(PATIENCE, self.response.chunk()).await {
                Ok(Ok(Some(chunk))) => self.read.extend_from_slice(&chunk),
                Ok(Ok(None)) => self.end = Some(End::Complete),
                Ok(Err(_)) => self.end = Some(End::Broken),
                Err(_) => panic!("the stream was silent for {PATIENCE:?}"),
            }
        }
    }

    /// That the next event is `name`; comments, `retry` and what is told to admins of its own accord are passed over.
    ///
    /// # Panics
    /// When it is another, or there is none.
    #[track_caller]
    pub fn hears(&mut self, name: &str) -> impl Future<Output = Block> {
        let at = Location::caller();
        async move {
            loop {
                match self.block().await {
                    Ok(block) if block.name == name => return block,
                    Ok(block) if block.name.is_empty() || AMBIENT.contains(&block.name.as_str()) => {}
                    other => panic!("{at}: waited for {name} and got {other:?}"),
                }
            }
        }
    }

    /// That it ends without another event.
    ///
    /// # Panics
    /// When an event comes.
    #[track_caller]
    pub fn ends(&mut self) -> impl Future<Output = End> {
        let at = Location::caller();
        async move {
            loop {
                match self.block().await {
                    Ok(block) if block.name.is_empty() => {}
                    Ok(block) => panic!("{at}: waited for the end and got {block:?}"),
                    Err(end) => return end,
                }
            }
        }
    }
}

impl Block {
    fn read(block: &[u8]) -> Self {
        let Ok(text) = std::str::from_utf8(block) else { panic!("not UTF-8: {block:?}") };
        let mut read = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" => read.comment = Some(value.to_owned()),
                "event" => value.clone_into(&mut read.name),
                "id" => read.id = Some(value.to_owned()),
                "retry" => read.retry = value.parse().ok(),
                "data" => {
                    read.data =
                        serde_json::from_str(value).unwrap_or_else(|error| panic!("{error}: {value}"));
                }
                _ => panic!("no field of an event stream: {line}"),
            }
        }
        read
    }
}

//! Which file, and how many may read it at once.

use std::path::PathBuf;
use std::time::Duration;

/// How to open a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The file. SQLite keeps two more beside it, with `-wal` and `-shm` at their ends.
    pub path: PathBuf,
    /// How many reads run at the same time; at least 1.
    pub readers: usize,
    /// How long a step waits for its turn, and for another process that holds the file, before it is unavailable.
    pub wait: Duration,
}

/// Why a URL names no database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// Another scheme.
    #[error("must begin with sqlite://")]
    Scheme,
    /// No file.
    #[error("must name a file: sqlite://carillon.db, or sqlite:///var/lib/carillon.db for an absolute path")]
    Empty,
    /// In memory, each connection would have a database of its own, and what is accepted must outlive a restart.
    #[error("must name a file: a database in memory would lose every notification")]
    Memory,
    /// SQLite's own URIs have parameters; ours have none, rather than some that silently do nothing.
    #[error("takes no parameters: remove what begins with ? or #")]
    Parameters,
}

impl Settings {
    /// This file, with the usual numbers.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), readers: 4, wait: Duration::from_secs(5) }
    }

    /// The file of a `DATABASE_URL`: `sqlite://carillon.db` is relative to the working directory,
    /// `sqlite:///var/lib/carillon.db` is absolute. The path is taken as it stands, nothing is percent-decoded.
    ///
    /// # Errors
    /// See [`BadUrl`]; `sqlite://:memory:` is refused.
    pub fn from_url(url: &str) -> Result<Self, BadUrl> {
        let path = url.strip_prefix("sqlite://").ok_or(BadUrl::Scheme)?;
        match path {
            "" | "/" => Err(BadUrl::Empty),
            ":memory:" | "/:memory:" => Err(BadUrl::Memory),
            _ if path.contains(['?', '#']) => Err(BadUrl::Parameters),
            _ => Ok(Self::new(path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_file_and_nothing_else() {
        let path = |url| Settings::from_url(url).map(|settings| settings.path);
        assert_eq!(path("sqlite://carillon.db"), Ok("carillon.db".into()));
        assert_eq!(path("sqlite:///var/lib/c d.db"), Ok("/var/lib/c d.db".into()));
        assert_eq!(path("postgres://localhost/x"), Err(BadUrl::Scheme));
        assert_eq!(path("sqlite://"), Err(BadUrl::Empty));
        assert_eq!(path("sqlite://:memory:"), Err(BadUrl::Memory));
        assert_eq!(path("sqlite://x.db?mode=ro"), Err(BadUrl::Parameters));
    }
}

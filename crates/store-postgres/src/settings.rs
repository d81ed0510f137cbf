//! Which database, and how many connections to it.

use std::fmt;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::tls;

/// How to open a database. `Debug` and `Display` are without the password.
#[derive(Clone)]
pub struct Settings {
    /// How many reads run at the same time; at least 1.
    pub readers: usize,
    /// How many marks and other changes run at the same time; at least 1. Appends have a connection of their own.
    pub writers: usize,
    pub(crate) config: Config,
    pub(crate) tls: Option<MakeRustlsConnect>,
    pub(crate) shown: String,
}

/// Why a URL names no database. The text is without the password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// Another scheme.
    #[error("must begin with postgres:// or postgresql://")]
    Scheme,
    /// No host.
    #[error("names no host")]
    Host,
    /// No such `sslmode`, or an `sslrootcert` that will not do.
    #[error("{0}")]
    Tls(String),
    /// Something else.
    #[error("is no PostgreSQL URL: {0}")]
    Other(String),
}

impl Settings {
    /// The database of a `DATABASE_URL`, with the usual numbers: `postgres://USER:PASSWORD@HOST:PORT/DATABASE?PARAMETERS`,
    /// as libpq has it. `sslmode` is `disable`, `prefer` (the default), `require` or `verify-full`; the last checks the
    /// server's certificate against `sslrootcert=FILE`, or the system's certificates.
    ///
    /// # Errors
    /// See [`BadUrl`].
    pub fn from_url(url: &str) -> Result<Self, BadUrl> {
        let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
        rest.ok_or(BadUrl::Scheme)?;
        let (url_without_tls, tls) = tls::take(url);
        let mut config: Config = url_without_tls.parse().map_err(|fault: tokio_postgres::Error| {
            let source =
                std::error::Error::source(&fault).map_or_else(|| fault.to_string(), ToString::to_string);
            BadUrl::Other(source)
        })?;
        let tls = tls.and_then(|tls| tls.apply(&mut config)).map_err(BadUrl::Tls)?;
        if config.get_hosts().is_empty() {
            return Err(BadUrl::Host);
        }
        // A server whose machine is gone is noticed; the usual two hours are for nobody.
        config.keepalives_idle(Duration::from_secs(5)).keepalives_interval(Duration::from_secs(2));
        config.keepalives_retries(3).tcp_user_timeout(Duration::from_secs(10));
        if config.get_application_name().is_none() {
            config.application_name("carillon");
        }
        Ok(Self { readers: 8, writers: 4, config, tls, shown: without_password(url) })
    }
}

/// The URL as it may be shown: what stands between user and host, or is a parameter of that name, may be a password.
fn without_password(url: &str) -> String {
    let (place, parameters) = url.split_once('?').unwrap_or((url, ""));
    let (scheme, place) = place.split_once("://").unwrap_or(("postgres", place));
    // A password may hold an @ that should have been encoded.
    let place = match place.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((user, _)) => format!("{user}:[redacted]@{host}"),
            None => format!("{user}@{host}"),
        },
        None => place.to_owned(),
    };
    let shown = parameters.split('&').filter(|text| !text.is_empty() && !text.contains("password"));
    let parameters = shown.collect::<Vec<_>>().join("&");
    let mark = if parameters.is_empty() { "" } else { "?" };
    format!("{scheme}://{place}{mark}{parameters}")
}

impl PartialEq for Settings {
    fn eq(&self, other: &Self) -> bool {
        // How TLS is done stands in the URL as well.
        let same = |settings: &Self| (settings.readers, settings.writers, settings.shown.clone());
        same(self) == same(other) && self.config == other.config
    }
}

impl Eq for Settings {}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { readers, writers, config: _, tls: _, shown } = self;
        f.debug_struct("Settings")
            .field("url", shown)
            .field("readers", readers)
            .field("writers", writers)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use tokio_postgres::config::SslMode;

    use super::*;

    #[test]
    fn a_url_names_a_database() {
        let fault = |url| Settings::from_url(url).unwrap_err();
        assert_eq!(fault("sqlite://x.db"), BadUrl::Scheme);
        assert_eq!(fault("postgres://"), BadUrl::Host);
        assert!(matches!(fault("postgres://h:x/d"), BadUrl::Other(_)));
        assert!(matches!(fault("postgres://h/d?no_such=1"), BadUrl::Other(_)));
        assert!(Settings::from_url("postgres:///d?host=/run/postgresql").is_ok());
    }

    #[test]
    fn tls_is_asked_for_as_with_libpq() {
        let mode = |url| {
            Settings::from_url(url).map(|settings| (settings.config.get_ssl_mode(), settings.tls.is_some()))
        };
        assert_eq!(mode("postgres://h/d"), Ok((SslMode::Prefer, true)));
        assert_eq!(mode("postgres://h/d?sslmode=disable"), Ok((SslMode::Disable, false)));
        assert_eq!(mode("postgres://h/d?connect_timeout=1&sslmode=require"), Ok((SslMode::Require, true)));
        let fault = |url| Settings::from_url(url).unwrap_err().to_string();
        assert!(fault("postgres://h/d?sslmode=allow").contains("disable, prefer, require or verify-full"));
        let no_file = fault("postgres://h/d?sslmode=verify-full&sslrootcert=no/such.pem");
        assert!(no_file.starts_with("sslrootcert: cannot read no/such.pem"), "{no_file}");
        let no_certificate =
            concat!("postgres://h/d?sslrootcert=", env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        assert!(fault(no_certificate).contains("no certificate"));
    }

    #[test]
    fn a_password_is_never_shown() {
        let shown = |url: &str| {
            let settings = Settings::from_url(url).unwrap();
            assert!(!format!("{settings:?}").contains("secret"), "{settings:?}");
            settings.to_string()
        };
        assert_eq!(shown("postgres://u:secret@h:1/d"), "postgres://u:[redacted]@h:1/d");
        assert_eq!(
            shown("postgresql://u:se@secret@h/d?connect_timeout=1"),
            "postgresql://u:[redacted]@h/d?connect_timeout=1"
        );
        assert_eq!(shown("postgres://u@h/d?password=secret"), "postgres://u@h/d");
        assert_eq!(shown("postgres://h/d"), "postgres://h/d");
        let fault = Settings::from_url("postgres://u:secret@h:port/d").unwrap_err();
        assert!(!fault.to_string().contains("secret"), "{fault}");
    }
}

//! The command line: what can be asked of the binary. What is set, rather than asked, is in `settings`.

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use carillon_domain::{Role, UserId};
use clap::{Args, Parser, Subcommand};
use jiff::{Span, SpanRelativeTo};

/// This program's version.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit it was built from, where the build was told (`./just dist` does).
pub(crate) const COMMIT: &str = match option_env!("CARILLON_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};
/// What a build that must not serve anyone says of itself.
pub(crate) const WARNING: &str =
    if cfg!(leak_sessions) { ": it leaks sessions, to try the soak by" } else { "" };
static WITH_COMMIT: LazyLock<String> = LazyLock::new(|| format!("{VERSION} (commit {COMMIT}){WARNING}"));

const AFTER_HELP: &str = "\
Settings come from environment variables (SOCKET_PORT, DATABASE_URL, JWT_SECRET, …) or from a
TOML file with the same names in lower case; the environment wins. `carillon config` prints
those in force. Every setting, its default and its meaning stands in the file
crates/app/src/carillon.default.toml, which this binary carries.

Exit codes:
  0  done; for `serve` and `demo`: stopped by SIGTERM or Ctrl-C after a clean drain
  1  anything else went wrong
  2  bad settings or arguments: one line for each fault on the standard error, naming the setting

Examples:
  carillon demo
  JWT_SECRET=… PUBLISH_KEYS=clinic:… carillon
  carillon token --user 42 --role PATIENT --ttl 8h";

/// A notification gateway: keeps each notification and gets it, once and in order, to every Socket.IO client.
#[derive(Debug, Parser)]
#[command(name = "carillon", version = WITH_COMMIT.as_str(), after_help = AFTER_HELP)]
pub(crate) struct Cli {
    /// A TOML file with settings; a key it should not have is refused
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// `serve` where none is given
    #[command(subcommand)]
    command: Option<Command>,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Command {
    /// Run the gateway until SIGTERM or Ctrl-C (the default)
    Serve,
    /// Run the gateway with embedded defaults, demo users and a simulated clinic that publishes every few seconds
    Demo,
    /// Bring the database up to this version and exit
    Migrate(MigrateArgs),
    /// Sign a token with JWT_SECRET and print it
    Token(TokenArgs),
    /// Print the effective settings as TOML, secrets redacted
    Config,
}

/// What to do beside migrating.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct MigrateArgs {
    /// Begin a new life of the log: to be done after restoring a backup, so that every client reloads its inbox
    #[arg(long)]
    pub(crate) new_epoch: bool,
}

/// Whom a token is to speak for.
#[derive(Debug, Clone, Args)]
pub(crate) struct TokenArgs {
    /// The user's id: the claim `userId`
    #[arg(long = "user", value_name = "ID")]
    pub(crate) user_id: UserId,
    /// ADMIN, SUPER_ADMIN, DOCTOR or PATIENT, in any letter case
    #[arg(long)]
    pub(crate) role: Role,
    /// The user's e-mail address
    #[arg(long)]
    pub(crate) email: Option<String>,
    /// How long the token is valid: 90s, 15m, 1h 30m, 7d
    #[arg(long, default_value = "1h", value_parser = ttl)]
    pub(crate) ttl: Duration,
    /// A doctor's profile id, where it differs from the user id
    #[arg(long, value_name = "ID")]
    pub(crate) doctor_id: Option<UserId>,
    /// A patient's profile id, where it differs from the user id
    #[arg(long, value_name = "ID")]
    pub(crate) patient_id: Option<UserId>,
}

impl Cli {
    /// The command asked for.
    pub(crate) fn asked(&self) -> Command {
        self.command.clone().unwrap_or(Command::Serve)
    }
}

fn ttl(text: &str) -> Result<Duration, String> {
    let span: Span = text.parse().map_err(|_| "write it as 90s, 15m, 1h 30m or 7d".to_owned())?;
    let length = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| "months and years have no fixed length: write days".to_owned())?;
    Duration::try_from(length)
        .ok()
        .filter(|length| !length.is_zero())
        .ok_or_else(|| "must be more than zero".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serve_is_what_nothing_means_and_config_goes_anywhere() {
        assert!(matches!(parse("carillon").unwrap().asked(), Command::Serve));
        let cli = parse("carillon migrate --config a.toml").unwrap();
        assert!(matches!(cli.asked(), Command::Migrate(MigrateArgs { new_epoch: false })));
        assert_eq!(cli.config, Some("a.toml".into()));
    }

    #[test]
    fn a_token_needs_a_user_and_a_known_role() {
        let Command::Token(args) = parse("carillon token --user 42 --role doctor").unwrap().asked() else {
            panic!("not the token command")
        };
        assert_eq!(
            (args.user_id.as_str(), args.role, args.ttl),
            ("42", Role::Doctor, Duration::from_secs(3600))
        );
        assert!(parse("carillon token --role ADMIN").is_err());
        let error = parse("carillon token --user 42 --role nurse").unwrap_err();
        assert!(error.to_string().contains("SUPER_ADMIN"), "{error}");
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn a_ttl_is_a_length_of_time_ahead() {
        assert_eq!(ttl("1h 30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(ttl("7d"), Ok(Duration::from_secs(7 * 86_400)));
        for wrong in ["", "soon", "10", "-1h", "0s", "1mo"] {
            assert!(ttl(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_help_names_every_command_and_exit_code() {
        let help = Cli::command().render_long_help().to_string();
        for word in [
            "serve",
            "demo",
            "migrate",
            "token",
            "config",
            "--config",
            "carillon.default.toml",
            "0  ",
            "1  ",
            "2  ",
        ] {
            assert!(help.contains(word), "{word} is missing from:\n{help}");
        }
    }
}

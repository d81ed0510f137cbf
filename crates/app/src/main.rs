//! The binary: reads the command line and the settings, and does what was asked. Wiring and nothing else.

mod ambient;
mod broadcasts;
mod cli;
mod demo;
mod emitter;
mod measured;
mod metrics;
mod outbox;
mod serve;
mod settings;
mod store;
mod telemetry;
mod traces;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use carillon_auth_jwt::{Signer, TokenClaims};
use carillon_domain::Timestamp;
use clap::Parser as _;

use cli::{Cli, Command, TokenArgs};
use serve::Node;
use settings::{Faults, JwtSource, Settings, Tokens};
use store::Store;

/// Chosen by measurement (docs/adr/0008).
#[cfg(not(feature = "count-allocations"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Counts what is allocated, for `./just soak`.
#[cfg(feature = "count-allocations")]
#[global_allocator]
static ALLOCATOR: &stats_alloc::StatsAlloc<std::alloc::System> = &stats_alloc::INSTRUMENTED_SYSTEM;

/// The bytes that are allocated now.
#[cfg(feature = "count-allocations")]
#[expect(clippy::cast_precision_loss, reason = "less than 2^52")]
fn allocated() -> f64 {
    let stats = ALLOCATOR.stats();
    (stats.bytes_allocated - stats.bytes_deallocated) as f64
}

/// The exit code of bad settings and bad arguments (clap uses the same).
const BAD_SETTINGS: u8 = 2;

fn main() -> ExitCode {
    let Err(error) = run(&Cli::parse()) else { return ExitCode::SUCCESS };
    if let Some(faults) = error.downcast_ref::<Faults>() {
        eprintln!("{faults}");
        return ExitCode::from(BAD_SETTINGS);
    }
    eprintln!("{error:#}");
    ExitCode::FAILURE
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    let load = |tokens| Settings::load(cli.config.as_deref(), tokens);
    match cli.asked() {
        Command::Serve => {
            let settings = load(Tokens::Required)?;
            let _telemetry = telemetry::start(&settings)?;
            if !cli::WARNING.is_empty() {
                tracing::warn!("this is no build to be used{}", cli::WARNING);
            }
            actix_web::rt::System::new().block_on(async { Node::start(&settings, None).await?.run().await })
        }
        Command::Demo => {
            let settings = load(Tokens::Optional)?;
            let _telemetry = telemetry::start(&settings)?;
            actix_web::rt::System::new().block_on(demo::run(settings))
        }
        Command::Migrate(args) => {
            let settings = load(Tokens::Optional)?;
            let _telemetry = telemetry::start(&settings)?;
            actix_web::rt::System::new().block_on(async {
                let store = Store::open(&settings).await?;
                if args.new_epoch {
                    store.renew_epoch().await.context("the epoch could not be renewed")?;
                }
                Ok(())
            })
        }
        Command::Token(args) => print(&token(args, &load(Tokens::Optional)?)?),
        Command::Config => print(load(Tokens::Optional)?.to_toml()?.trim_end()),
    }
}

/// A token that this very configuration accepts.
fn token(args: TokenArgs, settings: &Settings) -> anyhow::Result<String> {
    let Some(JwtSource::JwtSecret(secret)) = &settings.jwt_source else {
        return Err(Faults::one("jwt_secret", "is required to sign a token").into());
    };
    let now = Timestamp::from(jiff::Timestamp::now());
    let claims = TokenClaims {
        user_id: args.user_id,
        role: args.role,
        email: args.email,
        doctor_id: args.doctor_id,
        patient_id: args.patient_id,
        issuer: settings.jwt_issuer.clone(),
        audience: settings.jwt_audience.clone(),
        issued_at: now,
        expires_at: now.saturating_add(args.ttl),
    };
    Signer::new(secret)?.sign(&claims).context("signing the token")
}

// `println!` panics where the reader has gone away.
fn print(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}").context("writing to the standard output")
}

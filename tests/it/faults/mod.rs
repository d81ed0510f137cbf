//! Faults: what is promised holds while nodes, stores and networks fail. Journals are kept by producers that retry until
//! acknowledged, by official clients and by light ones, and [`carillon_tests::checker`] reads them.
//!
//! The numbers are those of the fault table in docs/operations/faults.md. Most are small enough for every run;
//! `just chaos f08` runs any at the size that the environment says, and prints its figures: `CHAOS_CLIENTS` (official
//! ones), `CHAOS_LIGHTS`, `CHAOS_RATE` (publishes a second), `CHAOS_SECONDS` (how long what lasts, lasts);
//! `block` has `CHAOS_USERS`, `f18` has `CHAOS_SCHEDULES`. With `CHAOS_NGINX=true` three nodes stand behind the real nginx.

mod block;
mod f00;
mod f01;
mod f02;
mod f03;
mod f04;
mod f05;
mod f06;
mod f07;
mod f08;
mod f10;
mod f12;
mod f13;
mod f14;
mod f15;
mod f16;
mod f17;
mod f18;
mod f20;
mod f21;
mod i9;
mod kill9;
mod peers;
mod stage;

use std::str::FromStr;

use stage::{On, Setup, Stage};

/// How large a scenario is.
#[derive(Debug, Clone, Copy)]
struct Scale {
    clients: usize,
    lights: usize,
    rate: u32,
    seconds: u64,
}

impl Scale {
    /// So large in every run; the environment may say otherwise.
    fn usually(clients: usize, lights: usize, rate: u32, seconds: u64) -> Self {
        Self {
            clients: or("CHAOS_CLIENTS", clients),
            lights: or("CHAOS_LIGHTS", lights),
            rate: or("CHAOS_RATE", rate),
            seconds: or("CHAOS_SECONDS", seconds),
        }
    }

    /// As many publishes as fall into so many milliseconds.
    fn publishes_in(self, millis: u64) -> u64 {
        u64::from(self.rate) * millis / 1000
    }
}

fn or<T: FromStr>(name: &str, usual: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

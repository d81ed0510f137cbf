//! Publishes to Carillon from another Rust service: a few calls over HTTP, each sent again under one key until it is known
//! to be kept.
//!
//! ```no_run
//! use carillon_client::{Client, Event, PrescriptionCreated};
//!
//! # async fn publish() -> Result<(), carillon_client::Error> {
//! let carillon = Client::new("https://notify.example.com", "the key of this service")?;
//! let prescribed = PrescriptionCreated {
//!     prescription_id: "rx-7".into(),
//!     patient_id: "42".parse().unwrap(),
//!     details: serde_json::Map::new(),
//! };
//! // The key makes it one event, whoever repeats it: this call, or the whole job after a crash.
//! let published = carillon.publish(&Event::of(&prescribed)?.key("prescription-rx-7")).await?;
//! println!("kept as {}", published.event_id);
//! # Ok(())
//! # }
//! ```
//!
//! What comes back as [`Published`] was committed. [`Error::Refused`] will be refused again. [`Error::Unavailable`] is the one
//! case in which nobody knows: it names the key under which to publish again.
//!
//! This crate depends on [`carillon_domain`] for the types of events and rooms, and on reqwest. It runs on tokio.

mod answer;
mod client;
mod delivery;
mod error;
mod message;

pub use answer::{Place, Problem, ProblemFault, Published};
pub use carillon_domain::{
    ActionUrl, AppointmentCanceled, AppointmentCreated, AppointmentUpdated, EventId, EventName, Kind,
    NotificationId, Payload, PaymentCompleted, PrescriptionCreated, Priority, ReviewCreated, Room,
    ScheduleUpdated, Status, Timestamp, UserId, UserStatusChanged,
};
pub use client::Client;
pub use error::{Error, Trouble};
pub use message::{Event, Notification};

#[cfg(test)]
mod tests;

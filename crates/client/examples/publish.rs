//! Publishes one event: `cargo run -p carillon-client --example publish`, with CARILLON_URL and CARILLON_KEY.

use std::env;

use carillon_client::{Client, Event, PrescriptionCreated};
use serde_json::Map;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let carillon = Client::new(&env::var("CARILLON_URL")?, &env::var("CARILLON_KEY")?)?;
    let prescribed = PrescriptionCreated {
        prescription_id: "rx-9".into(),
        patient_id: "patient".parse()?,
        details: Map::new(),
    };
    let event = Event::of(&prescribed)?.message("Ready from 4 pm.").key("prescription-rx-9");
    let published = carillon.publish(&event).await?;
    println!("{} for {}", published.event_id, published.notifications[0].room);
    Ok(())
}

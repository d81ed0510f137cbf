//! The data of the eight events as types, for Rust services that publish them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::EventName;
use crate::UserId;

/// The data of one of the eight events, for a Rust service that publishes it.
///
/// ```
/// use carillon_domain::{AppointmentCreated, Draft, Payload as _};
///
/// let booked = AppointmentCreated {
///     appointment_id: "a-1".into(),
///     doctor_id: "d-1".parse().unwrap(),
///     patient_id: "p-1".parse().unwrap(),
///     details: serde_json::Map::new(),
/// };
/// let draft = Draft::parse_event(booked.body().unwrap()).unwrap();
/// assert_eq!(draft.rooms().len(), 2);
/// ```
pub trait Payload: Serialize {
    /// Which event this is the data of.
    const NAME: EventName;

    /// The body to post to `/api/v1/events`.
    ///
    /// # Errors
    /// When a field refuses to become JSON.
    fn body(&self) -> Result<Value, serde_json::Error> {
        let data = serde_json::to_value(self)?;
        Ok(serde_json::json!({"event": Self::NAME, "data": data}))
    }
}

macro_rules! payload {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $ty:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            /// Whatever else the clients should see. It comes first, so that it never replaces a field below.
            #[serde(flatten)]
            pub details: Map<String, Value>,
            $($(#[$field_doc])* pub $field: $ty,)*
        }

        impl Payload for $name {
            const NAME: EventName = EventName::$name;
        }
    };
}

payload! {
    /// `appointment:created`: to the doctor and the admins.
    AppointmentCreated {
        /// Which appointment.
        appointment_id: String,
        /// Whose calendar.
        doctor_id: UserId,
        /// Who comes.
        patient_id: UserId,
    }
}
payload! {
    /// `appointment:updated`: to the patient, the doctor and the admins.
    AppointmentUpdated {
        /// Which appointment.
        appointment_id: String,
        /// Whose calendar.
        doctor_id: UserId,
        /// Who comes.
        patient_id: UserId,
        /// What it is now, in the platform's words.
        status: String,
    }
}
payload! {
    /// `appointment:canceled`: to the patient, the doctor and the admins.
    AppointmentCanceled {
        /// Which appointment.
        appointment_id: String,
        /// Whose calendar.
        doctor_id: UserId,
        /// Who would have come.
        patient_id: UserId,
    }
}
payload! {
    /// `payment:completed`: to the patient and the admins.
    PaymentCompleted {
        /// Which payment.
        payment_id: String,
        /// Who paid.
        patient_id: UserId,
    }
}
payload! {
    /// `prescription:created`: to the patient alone.
    PrescriptionCreated {
        /// Which prescription.
        prescription_id: String,
        /// For whom.
        patient_id: UserId,
    }
}
payload! {
    /// `review:created`: to the doctor and the admins.
    ReviewCreated {
        /// Which review.
        review_id: String,
        /// Who was reviewed.
        doctor_id: UserId,
    }
}
payload! {
    /// `schedule:updated`: to the admins.
    ScheduleUpdated {
        /// Which schedule.
        schedule_id: String,
        /// Whose.
        doctor_id: UserId,
    }
}
payload! {
    /// `user:status_changed`: to the user.
    UserStatusChanged {
        /// Whose account.
        user_id: UserId,
        /// What it is now.
        status: Status,
    }
}

/// Whether an account may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Connections end and new ones are refused.
    Blocked,
    /// All is open again.
    Active,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_payload_has_the_fields_its_route_needs() {
        fn check(payload: &impl Payload) {
            let body = payload.body().unwrap();
            let route = EventName::find(body["event"].as_str().unwrap()).unwrap().route();
            for field in route.needs {
                assert!(body["data"].get(field).is_some(), "{} lacks {field}", route.name);
            }
        }
        let details = Map::new;
        let (doctor_id, patient_id): (UserId, UserId) = ("d".parse().unwrap(), "p".parse().unwrap());
        let id = || String::from("1");
        check(&AppointmentCreated {
            appointment_id: id(),
            doctor_id: doctor_id.clone(),
            patient_id: patient_id.clone(),
            details: details(),
        });
        check(&AppointmentUpdated {
            appointment_id: id(),
            doctor_id: doctor_id.clone(),
            patient_id: patient_id.clone(),
            status: "MOVED".into(),
            details: details(),
        });
        check(&AppointmentCanceled {
            appointment_id: id(),
            doctor_id: doctor_id.clone(),
            patient_id: patient_id.clone(),
            details: details(),
        });
        check(&PaymentCompleted { payment_id: id(), patient_id: patient_id.clone(), details: details() });
        check(&PrescriptionCreated {
            prescription_id: id(),
            patient_id: patient_id.clone(),
            details: details(),
        });
        check(&ReviewCreated { review_id: id(), doctor_id: doctor_id.clone(), details: details() });
        check(&ScheduleUpdated { schedule_id: id(), doctor_id, details: details() });
        check(&UserStatusChanged { user_id: patient_id, status: Status::Blocked, details: details() });
    }

    #[test]
    fn a_detail_never_replaces_a_field() {
        let details = serde_json::json!({"paymentId": "other", "amount": 5}).as_object().unwrap().clone();
        let paid = PaymentCompleted { payment_id: "1".into(), patient_id: "p".parse().unwrap(), details };
        let data = serde_json::json!({"paymentId": "1", "patientId": "p", "amount": 5});
        assert_eq!(paid.body().unwrap()["data"], data);
    }
}

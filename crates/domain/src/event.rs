//! The eight domain events, and to whom each goes: the routing table, as data.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::{Priority, Role, Room, UserId};

/// The name of a domain event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventName {
    /// A patient booked.
    AppointmentCreated,
    /// Time, place or status of an appointment changed.
    AppointmentUpdated,
    /// An appointment will not take place.
    AppointmentCanceled,
    /// A payment went through.
    PaymentCompleted,
    /// A doctor prescribed.
    PrescriptionCreated,
    /// A patient reviewed a doctor.
    ReviewCreated,
    /// A doctor's hours changed.
    ScheduleUpdated,
    /// An account was blocked or opened again.
    UserStatusChanged,
}

impl EventName {
    /// The event's row of the routing table.
    #[must_use]
    pub fn route(self) -> &'static Route {
        // The table is in the order of the variants; the test below holds it to that.
        &ROUTES[self as usize]
    }

    /// The name as publishers and clients spell it, such as `appointment:created`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.route().name
    }

    /// The event of this name, if it is one of the eight.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        ROUTES.iter().find(|route| route.name == name).map(|route| route.event)
    }
}

impl Serialize for EventName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What becomes of one event: a row of the routing table.
#[derive(Debug)]
pub struct Route {
    /// Which event.
    pub event: EventName,
    /// Its name on the wire.
    pub name: &'static str,
    /// The notification's `type`.
    pub kind: &'static str,
    /// The priority, unless the publisher gives another.
    pub priority: Priority,
    /// Who hears of it.
    pub rooms: &'static [RoomRule],
    /// The fields that `data` must have: each an id (a text or an integer), but for `status`.
    pub needs: &'static [&'static str],
    /// What `data.status` may be; empty where any text will do.
    pub statuses: &'static [&'static str],
    /// The title, unless the publisher gives another. It names no patient: it may light up on a locked phone.
    pub title: &'static str,
    /// The message, unless the publisher gives another. It names no patient either.
    pub message: &'static str,
}

/// How a route finds a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomRule {
    /// `role:admin`.
    Admins,
    /// `doctor:{data.doctorId}`.
    Doctor,
    /// `patient:{data.patientId}`.
    Patient,
    /// `user:{data.userId}`.
    User,
}

impl RoomRule {
    /// The field of `data` that the room is made from, if any.
    #[must_use]
    pub const fn field(self) -> Option<&'static str> {
        match self {
            Self::Admins => None,
            Self::Doctor => Some("doctorId"),
            Self::Patient => Some("patientId"),
            Self::User => Some("userId"),
        }
    }

    /// The room, with the id that [`RoomRule::field`] named; `None` where that is missing.
    #[must_use]
    pub fn room(self, id: Option<&UserId>) -> Option<Room> {
        match self {
            Self::Admins => Some(Room::role(Role::Admin)),
            Self::Doctor => id.map(Room::doctor),
            Self::Patient => id.map(Room::patient),
            Self::User => id.map(Room::user),
        }
    }
}

use RoomRule::{Admins, Doctor, Patient, User};

/// The routing table (contract §5), in the order of [`EventName`]'s variants.
pub static ROUTES: [Route; 8] = [
    Route {
        event: EventName::AppointmentCreated,
        name: "appointment:created",
        kind: "APPOINTMENT_CREATED",
        priority: Priority::High,
        rooms: &[Doctor, Admins],
        needs: &["appointmentId", "doctorId", "patientId"],
        statuses: &[],
        title: "New appointment",
        message: "A new appointment was booked.",
    },
    Route {
        event: EventName::AppointmentUpdated,
        name: "appointment:updated",
        kind: "APPOINTMENT_UPDATED",
        priority: Priority::High,
        rooms: &[Patient, Doctor, Admins],
        needs: &["appointmentId", "doctorId", "patientId", "status"],
        statuses: &[],
        title: "Appointment updated",
        message: "An appointment has changed. Open it to see what is new.",
    },
    Route {
        event: EventName::AppointmentCanceled,
        name: "appointment:canceled",
        kind: "APPOINTMENT_CANCELED",
        priority: Priority::High,
        rooms: &[Patient, Doctor, Admins],
        needs: &["appointmentId", "doctorId", "patientId"],
        statuses: &[],
        title: "Appointment canceled",
        message: "An appointment was canceled.",
    },
    Route {
        event: EventName::PaymentCompleted,
        name: "payment:completed",
        kind: "PAYMENT_COMPLETED",
        priority: Priority::High,
        rooms: &[Patient, Admins],
        needs: &["paymentId", "patientId"],
        statuses: &[],
        title: "Payment completed",
        message: "A payment was completed.",
    },
    Route {
        event: EventName::PrescriptionCreated,
        name: "prescription:created",
        kind: "PRESCRIPTION_CREATED",
        priority: Priority::Medium,
        rooms: &[Patient],
        needs: &["prescriptionId", "patientId"],
        statuses: &[],
        title: "New prescription",
        message: "A new prescription is ready for you.",
    },
    Route {
        event: EventName::ReviewCreated,
        name: "review:created",
        kind: "REVIEW_CREATED",
        priority: Priority::Low,
        rooms: &[Doctor, Admins],
        needs: &["reviewId", "doctorId"],
        statuses: &[],
        title: "New review",
        message: "A new review was left.",
    },
    Route {
        event: EventName::ScheduleUpdated,
        name: "schedule:updated",
        kind: "SCHEDULE_UPDATED",
        priority: Priority::Medium,
        rooms: &[Admins],
        needs: &["scheduleId", "doctorId"],
        statuses: &[],
        title: "Schedule updated",
        message: "A doctor's schedule has changed.",
    },
    Route {
        event: EventName::UserStatusChanged,
        name: "user:status_changed",
        kind: "USER_STATUS_CHANGED",
        priority: Priority::High,
        rooms: &[User],
        needs: &["userId", "status"],
        statuses: &["BLOCKED", "ACTIVE"],
        title: "Account status changed",
        message: "The status of your account has changed.",
    },
];

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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
    fn the_table_is_in_the_order_of_the_names() {
        for (i, route) in ROUTES.iter().enumerate() {
            assert_eq!(route.event as usize, i, "{}", route.name);
            assert_eq!(EventName::find(route.name), Some(route.event));
        }
        assert_eq!(EventName::find("appointment:deleted"), None);
    }

    #[test]
    fn every_room_is_made_from_a_field_that_the_event_needs() {
        for route in &ROUTES {
            for field in route.rooms.iter().filter_map(|rule| rule.field()) {
                assert!(route.needs.contains(&field), "{} needs {field}", route.name);
            }
        }
    }

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

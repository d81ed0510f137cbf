//! The eight domain events, and to whom each goes: the routing table, as data.

use crate::{Priority, Role, Room, UserId};
use serde::{Serialize, Serializer};

mod payload;

pub use payload::{
    AppointmentCanceled, AppointmentCreated, AppointmentUpdated, Payload, PaymentCompleted,
    PrescriptionCreated, ReviewCreated, ScheduleUpdated, Status, UserStatusChanged,
};

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
}

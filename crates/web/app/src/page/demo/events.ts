// The eight domain events, as a form can make them.

export type Need = "appointmentId" | "doctorId" | "patientId" | "paymentId" | "prescriptionId" | "reviewId" | "scheduleId" | "userId" | "status";

export interface EventKind {
  name: string;
  label: string;
  needs: readonly Need[];
  /** The values of `status`, where it is one of a few. */
  statuses?: readonly string[];
  actionUrl: string;
}

const BOTH: readonly Need[] = ["appointmentId", "doctorId", "patientId"];

export const EVENTS: readonly EventKind[] = [
  { name: "appointment:created", label: "Appointment booked", needs: BOTH, actionUrl: "/dashboard/appointments" },
  {
    name: "appointment:updated",
    label: "Appointment changed",
    needs: [...BOTH, "status"],
    statuses: ["CONFIRMED", "RESCHEDULED", "COMPLETED"],
    actionUrl: "/dashboard/appointments",
  },
  { name: "appointment:canceled", label: "Appointment canceled", needs: BOTH, actionUrl: "/dashboard/appointments" },
  { name: "payment:completed", label: "Payment received", needs: ["paymentId", "patientId"], actionUrl: "/dashboard/payments" },
  { name: "prescription:created", label: "Prescription written", needs: ["prescriptionId", "patientId"], actionUrl: "/dashboard/prescriptions" },
  { name: "review:created", label: "Review left", needs: ["reviewId", "doctorId"], actionUrl: "/dashboard/reviews" },
  { name: "schedule:updated", label: "Schedule changed", needs: ["scheduleId", "doctorId"], actionUrl: "/dashboard/schedule" },
  { name: "user:status_changed", label: "Account status changed", needs: ["userId", "status"], statuses: ["ACTIVE", "BLOCKED"], actionUrl: "/dashboard" },
];

export interface Published {
  eventId: string;
  notifications: { id: string; room: string }[];
}

/** Publishes with an admin's token, as a service would with its key. Fails in the words of the server. */
export async function publish(token: string, body: object): Promise<Published> {
  const answer = await fetch("/api/v1/events", {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json", "idempotency-key": crypto.randomUUID() },
    body: JSON.stringify(body),
  });
  const said = await answer.json();
  if (answer.ok) return said as Published;
  const faults = (said.errors ?? []) as { pointer: string; detail: string }[];
  throw new Error(faults.map(({ pointer, detail }) => `${pointer}: ${detail}`).join("; ") || said.detail || said.title);
}

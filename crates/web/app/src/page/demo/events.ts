// The eight domain events, as a form can make them.

import { type Caller, Fault, newKey, request } from "../../inbox";
import type { Published } from "../../inbox/api.gen";

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

/** For this long a publish is tried again. */
const TRIES = 120;
const PAUSE_MS = 1_000;

/**
 * Publishes as a service should: what may not have arrived is sent again with the same key, so that it is published
 * once whatever becomes of the gateway. `onWait` hears that it takes more than one try.
 */
export async function publish(caller: Caller, body: object, onWait: () => void): Promise<Published> {
  const key = newKey();
  for (let left = TRIES; ; left -= 1) {
    try {
      return await request<Published>(caller, "POST", "/events", body, { "idempotency-key": key });
    } catch (fault) {
      if (left === 0 || !(fault instanceof Fault && ["offline", "unavailable"].includes(fault.code))) throw fault;
      onWait();
      await new Promise((later) => setTimeout(later, PAUSE_MS));
    }
  }
}

// Types of notifications, for people.

const WORDS: Record<string, string> = {
  ANNOUNCEMENT: "Announcements",
  APPOINTMENT_CREATED: "New appointments",
  APPOINTMENT_UPDATED: "Changed appointments",
  APPOINTMENT_CANCELED: "Canceled appointments",
  PAYMENT_COMPLETED: "Payments",
  PRESCRIPTION_CREATED: "Prescriptions",
  REVIEW_CREATED: "Reviews",
  SCHEDULE_UPDATED: "Schedule changes",
  USER_STATUS_CHANGED: "Changes of your account",
};

/** "Prescriptions"; "Lab result" for a type of an application's own. */
export function kindInWords(kind: string): string {
  const plain = kind.toLowerCase().replaceAll("_", " ");
  return WORDS[kind] ?? plain.charAt(0).toUpperCase() + plain.slice(1);
}

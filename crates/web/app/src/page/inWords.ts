import { Fault } from "../inbox";

/** What went wrong; with what is wrong in which field, by its label. */
export function inWords(fault: unknown, labels: Record<string, string> = {}): string {
  if (!(fault instanceof Fault)) return fault instanceof Error ? fault.message : String(fault);
  const named = fault.errors.map(({ pointer, detail }) => {
    const field = pointer.split("/")[1] ?? "";
    return `${labels[field] ?? field} ${detail}.`;
  });
  return named.join(" ") || fault.message;
}

import type { BroadcastKind } from "../../inbox/api.gen";
import { Icon } from "../../inbox/icons";
import { KINDS, moment } from "./kinds";

/** What is written so far; the instants as their fields have them. */
export interface Words {
  kind: BroadcastKind;
  title: string;
  message: string;
  startsAt: string;
  endsAt: string;
}

/** What they will see. */
export function Preview({ words: { kind, title, message, startsAt, endsAt } }: { words: Words }) {
  const { icon, look, label } = KINDS[kind];
  return (
    <div role="group" aria-label="Preview" className={`flex gap-3 rounded-xl border p-3 ${look}`}>
      <Icon name={icon} className="size-6" />
      <div className="min-w-0 text-sm">
        <p dir="auto" className="font-semibold wrap-anywhere">
          {title || label}
        </p>
        <p dir="auto" className="wrap-anywhere whitespace-pre-line text-ink">
          {message || "What they will read."}
        </p>
        {kind === "maintenance" && startsAt && endsAt && (
          <p className="mt-1 font-medium">
            {moment(startsAt)} to {moment(endsAt)}, with a countdown
          </p>
        )}
        {kind === "emergency" && <p className="mt-1 font-medium">Stays on screen until each has acknowledged it.</p>}
      </div>
    </div>
  );
}

import { type FormEvent, useState } from "react";

import { Icon, type IconName } from "../../inbox/icons";
import type { AdminApi, Kind } from "./api";

const KINDS: Record<Kind, { label: string; icon: IconName; look: string }> = {
  announcement: { label: "Announcement", icon: "bell", look: "border-line bg-tint text-accent" },
  maintenance: { label: "Maintenance", icon: "tools", look: "border-high bg-high-tint text-high" },
  emergency: { label: "Emergency", icon: "alert", look: "border-urgent bg-urgent-tint text-urgent" },
};

const AUDIENCES = { all: "Everyone", "role:doctor": "Doctors", "role:patient": "Patients", "role:admin": "Admins" };

/** Writes to everyone, now or at a time, and shows beforehand what they will see. */
export function Compose({ api, onDone }: { api: AdminApi; onDone: () => void }) {
  const [kind, setKind] = useState<Kind>("announcement");
  const [title, setTitle] = useState("");
  const [message, setMessage] = useState("");
  const [said, setSaid] = useState<{ ok: boolean; words: string }>();
  const send = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const instants = ["publishAt", "startsAt", "endsAt"].flatMap((name) => {
      const local = new FormData(form).get(name);
      return local ? [[name, new Date(String(local)).toISOString()]] : [];
    });
    const audience = [String(new FormData(form).get("audience"))];
    try {
      const made = await api.call("POST", "/broadcasts", { kind, title, message, audience, ...Object.fromEntries(instants) });
      if (!made) throw new Error("This gateway takes no announcements.");
      setSaid({ ok: true, words: instants.some(([name]) => name === "publishAt") ? "Scheduled." : "Sent." });
      setTitle("");
      setMessage("");
      form.reset();
      onDone();
    } catch (fault) {
      setSaid({ ok: false, words: fault instanceof Error ? fault.message : String(fault) });
    }
  };
  return (
    <form onSubmit={(event) => void send(event)} aria-labelledby="compose" className="card grid gap-3 p-4">
      <h2 id="compose" className="font-semibold">
        Announce
      </h2>
      <div className="grid grid-cols-2 gap-3">
        <label className="field">
          Kind
          <select value={kind} onChange={(event) => setKind(event.target.value as Kind)}>
            {Object.entries(KINDS).map(([value, { label }]) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </select>
        </label>
        <label className="field">
          To
          <select name="audience">
            {Object.entries(AUDIENCES).map(([room, label]) => (
              <option key={room} value={room}>
                {label}
              </option>
            ))}
          </select>
        </label>
      </div>
      <label className="field">
        Title
        <input required maxLength={200} value={title} onChange={(event) => setTitle(event.target.value)} autoComplete="off" />
      </label>
      <label className="field">
        Message
        <textarea required rows={3} maxLength={2_000} value={message} onChange={(event) => setMessage(event.target.value)} />
      </label>
      <label className="field">
        Send at (empty: now)
        <input type="datetime-local" name="publishAt" />
      </label>
      {kind === "maintenance" && (
        <div className="grid gap-3 sm:grid-cols-2">
          <label className="field">
            Starts
            <input type="datetime-local" name="startsAt" required />
          </label>
          <label className="field">
            Ends
            <input type="datetime-local" name="endsAt" required />
          </label>
        </div>
      )}
      <Preview kind={kind} title={title} message={message} />
      <div className="flex flex-wrap items-center gap-3">
        <button type="submit" className="ci-button ci-primary">
          Send
        </button>
        <p role="status" className={`flex-1 text-sm ${said?.ok ? "text-accent" : "text-urgent"}`}>
          {said?.words}
        </p>
      </div>
    </form>
  );
}

function Preview({ kind, title, message }: { kind: Kind; title: string; message: string }) {
  const { icon, look, label } = KINDS[kind];
  return (
    <div role="group" aria-label="Preview" className={`flex gap-3 rounded-xl border p-3 ${look}`}>
      <Icon name={icon} className="size-6" />
      <div className="min-w-0 text-sm">
        <p dir="auto" className="font-semibold wrap-anywhere">
          {title || label}
        </p>
        <p dir="auto" className="wrap-anywhere text-ink">
          {message || "What they will read."}
        </p>
      </div>
    </div>
  );
}

/**
 * Where a notification's `actionUrl` may lead: a path of this origin, or an `https:` address. Anything else is no link.
 * The server refuses the others at the door; this is the second lock, for rows that came by another way.
 */
export function safeLink(url: string | null | undefined): string | undefined {
  // A browser drops tabs and line breaks from an address and reads `\` as `/`: refused before it can.
  if (!url || /[\u0000-\u0020\u007f-\u009f\\]/.test(url)) return undefined;
  if (/^\/(?!\/)/.test(url)) return url;
  if (!/^https:\/\//i.test(url)) return undefined;
  try {
    const parsed = new URL(url);
    // `https://bank.example@evil.example` is meant to deceive.
    return parsed.protocol === "https:" && !parsed.username && !parsed.password ? url : undefined;
  } catch {
    return undefined;
  }
}

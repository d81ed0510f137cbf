// Writes src/inbox/api.gen.ts, the types of what travels, from the committed API documents: `npm run types`.

import { readFile, writeFile } from "node:fs/promises";

const OUT = new URL("../src/inbox/api.gen.ts", import.meta.url);
const documents = ["openapi", "asyncapi"].map((name) => new URL(`../../../../docs/api/${name}.json`, import.meta.url));

/** What the page uses; whatever these name comes with them. */
const WANTED = [
  ["Notification", "NotificationPage", "Problem", "Preferences", "UserPage", "Counts", "Doctors", "Broadcast", "BroadcastPage"],
  ["SealedNotification", "InboxState", "Marked", "Refused", "UserNews", "Tally"],
  ["Acks", "Explained", "AuditPage", "Published"],
].flat();

export async function generate() {
  const read = await Promise.all(documents.map(async (file) => JSON.parse(await readFile(file, "utf8")).components.schemas));
  const schemas = Object.assign({}, ...read.toReversed());
  const names = new Set(WANTED);
  // A set grows while it is gone through.
  for (const name of names) {
    if (!schemas[name]) throw new Error(`the API documents have no ${name}`);
    for (const [, other] of JSON.stringify(schemas[name]).matchAll(/#\/components\/schemas\/(\w+)/g)) names.add(other);
  }
  const types = [...names].toSorted().map((name) => `${doc(schemas[name], "")}export type ${name} = ${type(schemas[name], "")};\n`);
  return `// Made from docs/api by \`npm run types\`: change the API, not this file.\n\n${types.join("\n")}`;
}

function type(schema, indent) {
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) return choices.map((choice) => type(choice, indent)).join(" | ");
  if (Array.isArray(schema.type)) return schema.type.map((one) => type({ ...schema, type: one }, indent)).join(" | ");
  if (schema.type === "array") return `Array<${type(schema.items, indent)}>`;
  if (schema.type === "object") return object(schema, indent);
  return { string: "string", integer: "number", number: "number", boolean: "boolean", null: "null" }[schema.type] ?? "unknown";
}

function object({ properties, additionalProperties: others, required = [] }, indent) {
  if (!properties) return `Record<string, ${others && others !== true ? type(others, indent) : "unknown"}>`;
  const inner = `${indent}  `;
  const members = Object.entries(properties).map(
    ([name, schema]) => `${doc(schema, inner)}${inner}${name}${required.includes(name) ? "" : "?"}: ${type(schema, inner)};\n`,
  );
  return `{\n${members.join("")}${indent}}`;
}

function doc(schema, indent) {
  const said = schema.description ?? schema.oneOf?.find((choice) => choice.description)?.description;
  return said ? `${indent}/** ${said} */\n` : "";
}

if (process.argv[1] === new URL(import.meta.url).pathname) await writeFile(OUT, await generate());

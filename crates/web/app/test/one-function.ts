// What an application may take of the library alone: library.test.tsx looks at what it gets.
export { safeLink } from "../src/inbox";

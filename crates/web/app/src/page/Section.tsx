import { Icon } from "../inbox/icons";
import { Link } from "./Link";

/** Where a notification of the demo leads: a stand-in for the page of the reader's own application. */
export function Section({ name }: { name: string }) {
  const title = name ? name.charAt(0).toUpperCase() + name.slice(1).replaceAll("-", " ") : "Dashboard";
  return (
    <section className="card grid justify-items-start gap-3 p-6">
      <h1 tabIndex={-1} className="text-xl font-semibold outline-none">
        {title}
      </h1>
      <p className="max-w-prose text-soft">
        The notification led here. In your application this is the page it is about; the bell above stays in reach.
      </p>
      <Link href="/" className="ci-button">
        <Icon name="bell" className="size-4" /> Back to the inbox
      </Link>
    </section>
  );
}

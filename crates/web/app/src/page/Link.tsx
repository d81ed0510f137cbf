import type { AnchorHTMLAttributes } from "react";

import { follow } from "./router";

/** A link to another address of this page. */
export function Link({ href, ...rest }: AnchorHTMLAttributes<HTMLAnchorElement> & { href: string }) {
  return (
    <a
      href={href}
      onClick={(event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
        if (follow(href)) event.preventDefault();
      }}
      {...rest}
    />
  );
}

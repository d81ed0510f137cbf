import { ConnectionStatus, NotificationBell } from "../inbox";
import { Icon, type IconName } from "../inbox/icons";
import { Avatar } from "./Avatar";
import { Link } from "./Link";
import { isAdmin, roleInWords, type Session, signOut } from "./session";

/** The bar on top: where one is, how the connection is, the bell, and who one is. */
export function Header({ session: { user }, path }: { session: Session; path: string }) {
  return (
    <header className="sticky top-0 z-20 border-b border-line bg-card">
      <div className="relative mx-auto flex max-w-6xl flex-wrap items-center gap-x-2 px-3 sm:h-16 sm:flex-nowrap sm:gap-x-4 sm:px-4">
        <Link href="/" className="flex h-14 items-center gap-2 rounded-lg text-lg font-semibold">
          <img src="/icon.svg" alt="" width={32} height={32} />
          <span className="max-md:sr-only">Carillon</span>
        </Link>
        <ConnectionStatus />
        <Places admin={isAdmin(user)} path={path} />
        <div className="ms-auto flex items-center gap-1 sm:gap-3">
          <NotificationBell />
          <div className="flex min-w-0 items-center gap-2">
            <span className="max-sm:hidden">
              <Avatar user={user} />
            </span>
            <p className="max-w-40 min-w-0 text-sm leading-tight max-md:sr-only lg:max-w-60">
              <span className="block truncate font-medium" title={user.name}>
                {user.name}
              </span>
              <span className="text-soft">{roleInWords(user.role)}</span>
            </p>
          </div>
          <button type="button" className="ci-button ci-quiet -me-2 px-3" onClick={signOut}>
            <Icon name="signOut" />
            <span className="sr-only">Sign out</span>
          </button>
        </div>
      </div>
    </header>
  );
}

const PLACES: readonly { href: string; label: string; icon: IconName; forAdmins?: true }[] = [
  { href: "/", label: "Inbox", icon: "bell" },
  { href: "/console", label: "Console", icon: "megaphone", forAdmins: true },
  { href: "/settings", label: "Settings", icon: "sliders" },
];

function Places({ admin, path }: { admin: boolean; path: string }) {
  return (
    <nav aria-label="Pages" className="order-last w-full sm:order-none sm:w-auto">
      <ul className="flex gap-1 max-sm:pb-1">
        {PLACES.filter(({ forAdmins }) => admin || !forAdmins).map(({ href, label, icon }) => (
          <li key={href} className="max-sm:flex-1">
            <Link
              href={href}
              aria-current={path === href ? "page" : undefined}
              className="ci-button ci-quiet w-full px-3 aria-[current]:bg-tint aria-[current]:font-semibold"
            >
              <Icon name={icon} className="size-4" /> {label}
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  );
}

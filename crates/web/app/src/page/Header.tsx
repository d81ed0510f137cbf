import { ConnectionStatus, NotificationBell } from "../inbox";
import { Icon } from "../inbox/icons";
import { Avatar } from "./Avatar";
import { Link } from "./Link";
import { roleInWords, type Session, signOut } from "./session";

/** The bar on top: where one is, how the connection is, the bell, and who one is. */
export function Header({ session: { user } }: { session: Session }) {
  return (
    <header className="sticky top-0 z-20 border-b border-line bg-card">
      <div className="relative mx-auto flex h-16 max-w-6xl items-center gap-2 px-3 sm:gap-4 sm:px-4">
        <Link href="/" className="flex items-center gap-2 rounded-lg text-lg font-semibold">
          <img src="/icon.svg" alt="" width={32} height={32} />
          <span className="max-sm:sr-only">Carillon</span>
        </Link>
        <ConnectionStatus />
        <div className="ms-auto flex items-center gap-1 sm:gap-3">
          <NotificationBell />
          <div className="flex items-center gap-2">
            <span className="max-sm:hidden">
              <Avatar user={user} />
            </span>
            <p className="text-sm leading-tight max-md:sr-only">
              <span className="block font-medium">{user.name}</span>
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

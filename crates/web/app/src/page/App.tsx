import { lazy, Suspense, useEffect } from "react";

import { AnnouncementBanner, Announcer, Inbox, NotificationProvider, ReturnNotice, Toaster, useConnection, useTitleCount } from "../inbox";
import { Aside } from "./Aside";
import { Header } from "./Header";
import { Section } from "./Section";
import { SignIn } from "./SignIn";
import { follow, usePath } from "./router";
import { isAdmin, OFFSET_KEY, type Session, tokenOf, useSession } from "./session";
import { useQuickReturn } from "./useQuickReturn";

const DemoPage = lazy(() => import("./demo/DemoPage"));
const Console = lazy(() => import("./console/Console"));
const Settings = lazy(() => import("./Settings"));

export function App() {
  const path = usePath();
  const session = useSession();
  if (path === "/demo") {
    return (
      <Suspense fallback={<Loading />}>
        <DemoPage />
      </Suspense>
    );
  }
  if (!session) return <SignIn />;
  return (
    <NotificationProvider key={session.token ?? session.user.userId} getToken={tokenOf(session)} storageKey={OFFSET_KEY} onFollow={follow}>
      <SignedIn session={session} path={path} />
    </NotificationProvider>
  );
}

function SignedIn({ session, path }: { session: Session; path: string }) {
  useTitleCount("Carillon");
  useQuickReturn(session.token === undefined);
  const { status, reason } = useConnection();
  return (
    <>
      <Header session={session} path={path} />
      <main className="mx-auto grid w-full max-w-6xl gap-4 px-3 py-4 sm:px-4">
        <AnnouncementBanner />
        <ReturnNotice />
        {status === "signed-out" && reason && (
          <p role="alert" className="rounded-xl bg-urgent-tint p-3 text-sm text-urgent">
            The gateway let you go: {reason} Sign out and in again.
          </p>
        )}
        <Suspense fallback={<Loading />}>
          <Place key={path} session={session} path={path} />
        </Suspense>
      </main>
      <Toaster />
      <Announcer />
    </>
  );
}

/** What is at this address; the inbox at those that are not for this reader. */
function Place({ session, path }: { session: Session; path: string }) {
  const section = /^\/dashboard\/?([\w-]*)/.exec(path)?.[1];
  // A change of address says where the reader is now; the inbox is where one begins.
  useEffect(() => {
    if (path !== "/") document.querySelector("h1")?.focus();
  }, [path]);
  if (section !== undefined) return <Section name={section} />;
  if (path === "/settings") return <Settings session={session} />;
  if (path === "/console" && isAdmin(session.user)) return <Console />;
  return (
    <div className="grid items-start justify-center gap-4 grid-cols-[minmax(0,48rem)] lg:has-[aside:not(:empty)]:grid-cols-[minmax(0,1fr)_22rem]">
      <h1 className="sr-only">Your inbox</h1>
      <div className="card order-2 min-w-0 overflow-clip lg:order-1">
        <Inbox />
      </div>
      <Aside session={session} />
    </div>
  );
}

function Loading() {
  return <p className="p-8 text-center text-soft">Loading…</p>;
}

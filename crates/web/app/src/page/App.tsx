import { lazy, Suspense, useEffect } from "react";

import {
  AnnouncementBanner,
  Announcer,
  Inbox,
  NotificationProvider,
  ReturnNotice,
  Toaster,
  useConnection,
  useTitleCount,
} from "../inbox";
import { Aside } from "./Aside";
import { Header } from "./Header";
import { Section } from "./Section";
import { SignIn } from "./SignIn";
import { follow, usePath } from "./router";
import { OFFSET_KEY, type Session, tokenOf, useSession } from "./session";

const DemoPage = lazy(() => import("./demo/DemoPage"));

export function App() {
  const path = usePath();
  const session = useSession();
  if (path === "/demo") {
    return (
      <Suspense fallback={<p className="p-8 text-center text-soft">Loading…</p>}>
        <DemoPage />
      </Suspense>
    );
  }
  if (!session) return <SignIn />;
  return (
    <NotificationProvider
      key={session.token ?? session.user.userId}
      getToken={tokenOf(session)}
      storageKey={OFFSET_KEY}
      onFollow={follow}
    >
      <SignedIn session={session} path={path} />
    </NotificationProvider>
  );
}

function SignedIn({ session, path }: { session: Session; path: string }) {
  useTitleCount("Carillon");
  const section = /^\/dashboard\/?([\w-]*)/.exec(path)?.[1];
  const { status, reason } = useConnection();
  // A change of address says where the reader is now.
  useEffect(() => {
    if (section !== undefined) document.querySelector("h1")?.focus();
  }, [section]);
  return (
    <>
      <Header session={session} />
      <main className="mx-auto grid w-full max-w-6xl gap-4 px-3 py-4 sm:px-4">
        <AnnouncementBanner />
        <ReturnNotice />
        {status === "signed-out" && reason && (
          <p role="alert" className="rounded-xl bg-urgent-tint p-3 text-sm text-urgent">
            The gateway let you go: {reason} Sign out and in again.
          </p>
        )}
        {section === undefined ? (
          <div className="grid items-start justify-center gap-4 grid-cols-[minmax(0,48rem)] lg:has-[aside:not(:empty)]:grid-cols-[minmax(0,1fr)_22rem]">
            <h1 className="sr-only">Your inbox</h1>
            <div className="card order-2 min-w-0 overflow-clip lg:order-1">
              <Inbox />
            </div>
            <Aside session={session} />
          </div>
        ) : (
          <Section name={section} />
        )}
      </main>
      <Toaster />
      <Announcer />
    </>
  );
}

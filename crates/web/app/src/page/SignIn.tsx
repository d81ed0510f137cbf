import { type FormEvent, useEffect, useId, useState } from "react";

import { Icon } from "../inbox/icons";
import { Avatar } from "./Avatar";
import { Link } from "./Link";
import { roleInWords, signInAs, signInWith, type User } from "./session";
import { useDemoUsers } from "./useDemoUsers";

/** Who are you? One of the demo's people, or whoever a pasted token names. */
export function SignIn() {
  const users = useDemoUsers();
  const demo = users !== undefined && users.length > 0;
  useEffect(() => {
    document.title = "Carillon";
  }, []);
  return (
    <main className="mx-auto grid max-w-xl gap-5 px-3 py-8 sm:py-14">
      <div className="grid justify-items-center gap-3 px-2 text-center">
        <img src="/icon.svg" alt="" width={56} height={56} />
        <h1 className="text-2xl font-semibold">Carillon</h1>
        <p className="max-w-md text-balance text-soft">
          Notifications that arrive at once, and are still there when you come back.
        </p>
      </div>
      {demo && (
        <Link href="/demo" className="card flex items-center gap-3 p-4 hover:border-accent">
          <Icon name="columns" className="size-7 text-accent" />
          <span className="flex-1">
            <span className="block font-medium">Watch three roles side by side</span>
            <span className="text-sm text-soft">Publish events, cut a connection, kill the gateway, and see that nothing is missed.</span>
          </span>
        </Link>
      )}
      {demo && <People users={users} />}
      {users !== undefined && <TokenForm folded={demo} />}
    </main>
  );
}

function People({ users }: { users: User[] }) {
  return (
    <section aria-labelledby="people" className="card p-2">
      <h2 id="people" className="px-2 py-2 font-semibold">
        Who would you like to be?
      </h2>
      <ul>
        {users.map((user) => (
          <li key={user.userId}>
            <button
              type="button"
              className="flex w-full cursor-pointer items-center gap-3 rounded-xl p-2 text-start hover:bg-tint"
              onClick={() => signInAs(user)}
            >
              <Avatar user={user} />
              <span>
                <span className="block font-medium">{user.name}</span>
                <span className="text-sm text-soft">{roleInWords(user.role)}</span>
              </span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function TokenForm({ folded }: { folded: boolean }) {
  const [fault, setFault] = useState<string>();
  const id = useId();
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    setFault(signInWith(String(new FormData(event.currentTarget).get("token"))));
  };
  const form = (
    <form onSubmit={submit} className="grid gap-3">
      <label className="field">
        Your token
        <input
          name="token"
          required
          autoComplete="off"
          spellCheck={false}
          aria-invalid={fault !== undefined}
          aria-describedby={fault && id}
        />
      </label>
      {fault && (
        <p id={id} role="alert" className="text-sm text-urgent">
          {fault}
        </p>
      )}
      <button type="submit" className="ci-button ci-primary justify-self-start">
        Sign in
      </button>
    </form>
  );
  if (!folded) return <section className="card p-4">{form}</section>;
  return (
    <details className="card px-4">
      <summary className="min-h-11 cursor-pointer content-center text-sm text-soft">Or paste a token</summary>
      <div className="pb-4">{form}</div>
    </details>
  );
}

import { useEffect, useState } from "react";

import { demoUsers, type User } from "./session";

/** The demo's users; undefined until it is known whether there are any. */
export function useDemoUsers(): User[] | undefined {
  const [users, setUsers] = useState<User[]>();
  useEffect(() => {
    let wanted = true;
    void demoUsers().then((found) => wanted && setUsers(found));
    return () => {
      wanted = false;
    };
  }, []);
  return users;
}

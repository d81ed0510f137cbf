-- When users were last here, in milliseconds since 1970, and as whom.
CREATE TABLE last_seen (
    user_id    TEXT NOT NULL PRIMARY KEY,
    role       TEXT NOT NULL,
    profile_id TEXT,
    seen_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A doctor is also asked for by their profile.
CREATE INDEX last_seen_by_profile ON last_seen (profile_id) WHERE profile_id IS NOT NULL;

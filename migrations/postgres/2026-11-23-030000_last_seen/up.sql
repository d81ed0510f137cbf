-- When users were last here, in milliseconds since 1970, and as whom.
CREATE TABLE carillon.last_seen (
    user_id    text NOT NULL COLLATE "C" PRIMARY KEY,
    role       text NOT NULL,
    profile_id text COLLATE "C",
    seen_at    bigint NOT NULL
);

-- A doctor is also asked for by their profile.
CREATE INDEX last_seen_by_profile ON carillon.last_seen (profile_id) WHERE profile_id IS NOT NULL;

-- Broadcasts and their schedule. `version` goes up with each change of what is said; `position` is that of the first row it
-- became. `content` is JSON: what is said and to which rooms. The key is its maker's own, for a day.
CREATE TABLE broadcasts (
    id          BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    status      TEXT NOT NULL CHECK (status IN ('scheduled', 'sent', 'canceled', 'missed')),
    version     INTEGER NOT NULL,
    kind        TEXT NOT NULL,
    content     TEXT NOT NULL,
    publish_at  INTEGER NOT NULL,
    late        INTEGER NOT NULL DEFAULT 0,
    sent_at     INTEGER,
    position    INTEGER,
    created_by  TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    key_scope   TEXT,
    key         TEXT,
    fingerprint BLOB CHECK (length(fingerprint) = 32),
    CHECK ((status = 'sent') = (sent_at IS NOT NULL))
) STRICT;

CREATE UNIQUE INDEX broadcasts_by_key ON broadcasts (key_scope, key) WHERE key IS NOT NULL;
-- What is due, and nothing else.
CREATE INDEX broadcasts_by_time ON broadcasts (publish_at) WHERE status = 'scheduled';

-- Who has acknowledged an emergency, by which role, and when first.
CREATE TABLE acks (
    broadcast_id BLOB NOT NULL REFERENCES broadcasts (id),
    user_id      TEXT NOT NULL,
    role         TEXT NOT NULL,
    acked_at     INTEGER NOT NULL,
    PRIMARY KEY (broadcast_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX acks_by_time ON acks (acked_at);

-- Those who have entered a room, in the order of their ids.
CREATE INDEX inbox_by_user ON inbox (room, user_id, since);

-- The log, its keys, and each user's inbox. Instants are milliseconds since 1970; positions are the log's.
-- STRICT: SQLite would otherwise keep a text in an integer column without a word.

-- One row: how far the log has come. Its epoch is this database's own random number; a client's offset from another
-- database, or from before a backup was restored, is known by it.
CREATE TABLE log_head (
    id       INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    epoch    INTEGER NOT NULL CHECK (epoch >= 0),
    position INTEGER NOT NULL CHECK (position >= 0),
    trimmed  INTEGER NOT NULL CHECK (trimmed >= 0)
) STRICT;

INSERT INTO log_head (id, epoch, position, trimmed) VALUES (1, random() & 9223372036854775807, 0, 0);

-- The log. The position is the rowid: reading along is a walk through the table itself.
CREATE TABLE notifications (
    position   INTEGER NOT NULL PRIMARY KEY,
    id         BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    event_id   BLOB NOT NULL CHECK (length(event_id) = 16),
    room       TEXT NOT NULL,
    event      TEXT,
    type       TEXT NOT NULL,
    title      TEXT NOT NULL,
    message    TEXT NOT NULL,
    data       TEXT NOT NULL,
    priority   TEXT NOT NULL,
    action_url TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER
) STRICT;

-- Listing, replaying and counting a room. The expiry rides along so that counting need not touch the rows.
CREATE INDEX notifications_by_room ON notifications (room, position, expires_at);
-- Knowing a publish that is sent again, and what became of one.
CREATE INDEX notifications_by_event ON notifications (event_id);
-- Finding what is too old. Not a prefix of the log: a clock may have been wrong for a while.
CREATE INDEX notifications_by_age ON notifications (created_at);

-- Callers' keys of the last day. What the first call did is read from the log by its event id.
CREATE TABLE idempotency_keys (
    scope       TEXT NOT NULL,
    key         TEXT NOT NULL,
    fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),
    event_id    BLOB NOT NULL CHECK (length(event_id) = 16),
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

-- Each user's rooms: since when a room is theirs, and up to where they have read it. What lies at or below
-- read_up_to is read but for the exceptions in inbox_marks; what lies beyond is unread but for those.
CREATE TABLE inbox (
    user_id    TEXT NOT NULL,
    room       TEXT NOT NULL,
    since      INTEGER NOT NULL,
    read_up_to INTEGER NOT NULL,
    PRIMARY KEY (user_id, room)
) STRICT, WITHOUT ROWID;

-- When a room was read up to where. An item without a mark was read at the read_at of the smallest up_to that covers
-- it, so that reading further on later does not change it.
CREATE TABLE inbox_reads (
    user_id TEXT NOT NULL,
    room    TEXT NOT NULL,
    up_to   INTEGER NOT NULL,
    read_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, room, up_to)
) STRICT, WITHOUT ROWID;

-- Trimming: an entry below the oldest row covers nothing any more.
CREATE INDEX inbox_reads_by_place ON inbox_reads (up_to);

-- The exceptions, and what was read one by one: with a read_at, read then; without, unread again. Goes with its row.
CREATE TABLE inbox_marks (
    user_id  TEXT NOT NULL,
    room     TEXT NOT NULL,
    position INTEGER NOT NULL REFERENCES notifications (position) ON DELETE CASCADE,
    read_at  INTEGER,
    PRIMARY KEY (user_id, room, position)
) STRICT, WITHOUT ROWID;

-- The cascade's way from a row to its marks.
CREATE INDEX inbox_marks_by_row ON inbox_marks (position);
-- The few that were made unread, without a walk over the many that were read.
CREATE INDEX inbox_marks_unread ON inbox_marks (user_id, room, position) WHERE read_at IS NULL;

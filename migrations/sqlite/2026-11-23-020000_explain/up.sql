-- For how many sockets each node has queued a row, as far as it has told. Goes with its row.
CREATE TABLE reached (
    position INTEGER NOT NULL REFERENCES notifications (position) ON DELETE CASCADE,
    node     TEXT NOT NULL,
    sockets  INTEGER NOT NULL,
    PRIMARY KEY (position, node)
) STRICT, WITHOUT ROWID;

-- Those who have read a room up to a row or beyond, without a walk over all who have entered it.
CREATE INDEX inbox_by_place ON inbox (room, read_up_to, since);

-- For how many sockets each node has queued a row, as far as it has told. Trimming takes a count along after its row; one
-- without a row counts for nothing.
CREATE TABLE carillon.reached (
    position bigint NOT NULL,
    node     text NOT NULL COLLATE "C",
    sockets  bigint NOT NULL,
    PRIMARY KEY (position, node)
);

-- Those who have read a room up to a row or beyond, without a walk over all who have entered it.
CREATE INDEX inbox_by_place ON carillon.inbox (room, read_up_to, since, user_id);

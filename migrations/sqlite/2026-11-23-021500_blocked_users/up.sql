-- Who is blocked, and by which row. It follows the log by itself, in the transaction that keeps the row, and outlives the
-- row: what is too old is deleted without a word here.
CREATE TABLE blocked_users (
    user_id  TEXT NOT NULL PRIMARY KEY,
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The room of this event is user:ID.
CREATE TRIGGER notifications_block AFTER INSERT ON notifications
WHEN NEW.event = 'user:status_changed' AND json_extract(NEW.data, '$.status') = 'BLOCKED'
BEGIN
    INSERT INTO blocked_users (user_id, position) VALUES (substr(NEW.room, 6), NEW.position)
    ON CONFLICT (user_id) DO UPDATE SET position = excluded.position;
END;

CREATE TRIGGER notifications_unblock AFTER INSERT ON notifications
WHEN NEW.event = 'user:status_changed' AND json_extract(NEW.data, '$.status') = 'ACTIVE'
BEGIN
    DELETE FROM blocked_users WHERE user_id = substr(NEW.room, 6);
END;

-- What the log says already. The other columns are those of the row with the greatest position (SQLite, "bare columns").
INSERT INTO blocked_users (user_id, position)
SELECT user_id, position FROM (
    SELECT substr(room, 6) AS user_id, max(position) AS position, json_extract(data, '$.status') AS status
    FROM notifications WHERE event = 'user:status_changed' GROUP BY room
) WHERE status = 'BLOCKED';

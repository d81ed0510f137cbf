-- One who is erased: what was said to them alone, in the rooms that the memo names, and all that is kept of their reading.
-- Most of it is gone by now. What is left is that it was so, as a stretch of a type that no notification has.
CREATE TRIGGER notifications_erase AFTER INSERT ON notifications
WHEN NEW.expires_at = 0 AND NEW.type = 'CARILLON_ERASED'
BEGIN
    DELETE FROM notifications
    WHERE room IN (SELECT value FROM json_each(NEW.data, '$.rooms')) AND position < NEW.position;
    DELETE FROM inbox_marks WHERE user_id = substr(NEW.room, 6);
    DELETE FROM inbox_reads WHERE user_id = substr(NEW.room, 6);
    DELETE FROM inbox WHERE user_id = substr(NEW.room, 6);
    DELETE FROM mutes WHERE user_id = substr(NEW.room, 6);
    INSERT INTO mutes (user_id, type, since, until) VALUES (substr(NEW.room, 6), NEW.type, 0, NEW.position);
END;

-- Up to when a type that is kept for a shorter time than others has been looked through.
CREATE TABLE kept_types (
    type  TEXT NOT NULL PRIMARY KEY,
    swept INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What users mute, in stretches of the log: rows of a type after `since`, up to `until`, which is the last place there can be
-- while the type is muted. It follows the log by itself, in the transaction that keeps the memo, and outlives the memo.
CREATE TABLE mutes (
    user_id TEXT NOT NULL,
    type    TEXT NOT NULL,
    since   INTEGER NOT NULL,
    until   INTEGER NOT NULL,
    PRIMARY KEY (user_id, type, since)
) STRICT, WITHOUT ROWID;

-- Trimming: a stretch before the oldest row covers nothing any more.
CREATE INDEX mutes_by_end ON mutes (until);

-- A memo lies in the room user:ID and names all that its user mutes from then on.
CREATE TRIGGER notifications_mute AFTER INSERT ON notifications
WHEN NEW.expires_at = 0 AND NEW.type = 'CARILLON_MUTED'
BEGIN
    UPDATE mutes SET until = NEW.position
    WHERE user_id = substr(NEW.room, 6) AND until = 9223372036854775807
        AND type NOT IN (SELECT value FROM json_each(NEW.data, '$.muted'));
    INSERT INTO mutes (user_id, type, since, until)
    SELECT substr(NEW.room, 6), value, NEW.position, 9223372036854775807 FROM json_each(NEW.data, '$.muted')
    WHERE NOT EXISTS (SELECT 1 FROM mutes AS m
        WHERE m.user_id = substr(NEW.room, 6) AND m.type = value AND m.until = 9223372036854775807);
END;

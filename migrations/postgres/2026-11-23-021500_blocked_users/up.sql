-- Who is blocked, and by which row. It follows the log by itself, in the statement that keeps the row, and outlives the row:
-- what is too old is dropped without a word here.
CREATE TABLE carillon.blocked_users (
    user_id  text NOT NULL COLLATE "C" PRIMARY KEY,
    position bigint NOT NULL
);

-- The room of this event is user:ID. The type jsonb takes no \u0000, which may stand elsewhere in the data.
CREATE FUNCTION carillon.follow_status() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    data jsonb := regexp_replace(NEW.data, '(?<!\\)((?:\\\\)*)\\u0000', '\1', 'g');
BEGIN
    IF data ->> 'status' = 'BLOCKED' THEN
        INSERT INTO carillon.blocked_users (user_id, position) VALUES (substr(NEW.room, 6), NEW.position)
        ON CONFLICT (user_id) DO UPDATE SET position = excluded.position;
    ELSIF data ->> 'status' = 'ACTIVE' THEN
        DELETE FROM carillon.blocked_users WHERE user_id = substr(NEW.room, 6);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER notifications_status AFTER INSERT ON carillon.notifications
FOR EACH ROW WHEN (NEW.event = 'user:status_changed') EXECUTE FUNCTION carillon.follow_status();

-- What the log says already.
INSERT INTO carillon.blocked_users (user_id, position)
SELECT substr(room, 6), position FROM (
    SELECT DISTINCT ON (room) room, position,
        regexp_replace(data, '(?<!\\)((?:\\\\)*)\\u0000', '\1', 'g')::jsonb ->> 'status' AS status
    FROM carillon.notifications WHERE event = 'user:status_changed' ORDER BY room, position DESC
) newest WHERE status = 'BLOCKED';

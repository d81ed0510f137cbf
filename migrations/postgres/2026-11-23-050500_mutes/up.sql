-- What users mute, in stretches of the log: rows of a type after `since`, up to `until`, which is the last place there can be
-- while the type is muted. It follows the log by itself, in the statement that keeps the memo, and outlives the memo.
CREATE TABLE carillon.mutes (
    user_id text NOT NULL COLLATE "C",
    type    text NOT NULL,
    since   bigint NOT NULL,
    until   bigint NOT NULL,
    PRIMARY KEY (user_id, type, since)
);

-- Trimming: a stretch before the oldest row covers nothing any more.
CREATE INDEX mutes_by_end ON carillon.mutes (until);

-- A memo lies in the room user:ID and names all that its user mutes from then on.
CREATE FUNCTION carillon.follow_muting() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    its_user CONSTANT text := substr(NEW.room, 6);
    muted CONSTANT text[] := array(SELECT jsonb_array_elements_text(NEW.data::jsonb -> 'muted'));
    ever CONSTANT bigint := 9223372036854775807;
BEGIN
    UPDATE carillon.mutes m SET until = NEW.position
    WHERE m.user_id = its_user AND m.until = ever AND m.type <> ALL (muted);
    INSERT INTO carillon.mutes (user_id, type, since, until)
    SELECT its_user, t.type, NEW.position, ever FROM unnest(muted) AS t (type)
    WHERE NOT EXISTS (SELECT FROM carillon.mutes m WHERE m.user_id = its_user AND m.type = t.type AND m.until = ever);
    RETURN NULL;
END $$;

CREATE TRIGGER notifications_mute AFTER INSERT ON carillon.notifications
FOR EACH ROW WHEN (NEW.expires_at = 0 AND NEW.type = 'CARILLON_MUTED') EXECUTE FUNCTION carillon.follow_muting();

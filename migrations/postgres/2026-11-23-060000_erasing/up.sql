-- One who is erased: what was said to them alone, in the rooms that the memo names, and all that is kept of their reading.
-- Most of it is gone by now. What is left is that it was so, as a stretch of a type that no notification has.
CREATE FUNCTION carillon.follow_erasing() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    its_user CONSTANT text := substr(NEW.room, 6);
    rooms CONSTANT text[] := array(SELECT jsonb_array_elements_text(NEW.data::jsonb -> 'rooms'));
BEGIN
    DELETE FROM carillon.notifications n WHERE n.room = ANY (rooms) AND n.position < NEW.position;
    DELETE FROM carillon.inbox_marks WHERE user_id = its_user;
    DELETE FROM carillon.inbox_reads WHERE user_id = its_user;
    DELETE FROM carillon.inbox WHERE user_id = its_user;
    DELETE FROM carillon.mutes WHERE user_id = its_user;
    INSERT INTO carillon.mutes (user_id, type, since, until) VALUES (its_user, NEW.type, 0, NEW.position);
    RETURN NULL;
END $$;

CREATE TRIGGER notifications_erase AFTER INSERT ON carillon.notifications
FOR EACH ROW WHEN (NEW.expires_at = 0 AND NEW.type = 'CARILLON_ERASED') EXECUTE FUNCTION carillon.follow_erasing();

-- Up to when a type that is kept for a shorter time than others has been looked through.
CREATE TABLE carillon.kept_types (
    type  text NOT NULL PRIMARY KEY,
    swept bigint NOT NULL
);

-- Deletes what was created before an instant of one type, looking through `most` rows of all types at most; answers whether
-- there is more to look through.
CREATE FUNCTION carillon.trim_type(its_type text, created_before bigint, most int) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    from_when bigint;
    to_when bigint;
BEGIN
    -- One node at a time; the others need not.
    IF NOT pg_try_advisory_xact_lock(x'ca11'::int, 2) THEN
        RETURN false;
    END IF;
    from_when := coalesce((SELECT k.swept FROM carillon.kept_types k WHERE k.type = its_type), 0);
    IF from_when >= created_before THEN
        RETURN false;
    END IF;
    SELECT n.created_at INTO to_when FROM carillon.notifications n
    WHERE n.created_at >= from_when AND n.created_at < created_before ORDER BY n.created_at LIMIT 1 OFFSET most;
    -- As many at one instant: they are looked through at once.
    to_when := CASE WHEN to_when IS NULL THEN created_before ELSE greatest(to_when, from_when + 1) END;
    DELETE FROM carillon.notifications n
    WHERE n.created_at >= from_when AND n.created_at < to_when AND n.type = its_type;
    INSERT INTO carillon.kept_types (type, swept) VALUES (its_type, to_when)
    ON CONFLICT (type) DO UPDATE SET swept = excluded.swept;
    RETURN to_when < created_before;
END $$;

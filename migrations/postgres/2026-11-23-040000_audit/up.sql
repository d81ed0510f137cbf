-- Who changed what, and when, by this server's clock. Nothing of what was said. Entries are numbered in commit order and
-- without holes, so that a reader who has seen one has seen all before it. `key`: what is noted again under it is one entry.
CREATE TABLE carillon.audit (
    id      bigint NOT NULL PRIMARY KEY,
    at      bigint NOT NULL,
    actor   text NOT NULL,
    action  text NOT NULL,
    subject text NOT NULL,
    detail  text NOT NULL,
    key     uuid UNIQUE
);

CREATE FUNCTION carillon.keep_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'carillon.audit: entries are neither changed nor deleted' USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER audit_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON carillon.audit
FOR EACH STATEMENT EXECUTE FUNCTION carillon.keep_audit();

-- This clock, in milliseconds.
CREATE FUNCTION carillon.now_ms() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint
$$;

-- Adds an entry. The lock is held to the end of the statement that calls this, and taken by nothing else.
CREATE FUNCTION carillon.note(actor text, action text, subject text, detail text, key uuid) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(x'ca11'::int, 3);
    INSERT INTO carillon.audit AS a (id, at, actor, action, subject, detail, key)
    SELECT coalesce(max(b.id), 0) + 1, carillon.now_ms(), note.actor, note.action, note.subject, note.detail, note.key
    FROM carillon.audit b
    ON CONFLICT ON CONSTRAINT audit_key_key DO NOTHING;
END $$;

REVOKE EXECUTE ON FUNCTION carillon.keep_audit(), carillon.now_ms(), carillon.note(text, text, text, text, uuid) FROM PUBLIC;

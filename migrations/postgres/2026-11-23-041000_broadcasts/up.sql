-- Broadcasts and their schedule. `version` goes up with each change of what is said; `position` is that of the first row it
-- became. `content` is JSON: what is said and to which rooms. The key is its maker's own, for a day.
CREATE TABLE carillon.broadcasts (
    id          uuid NOT NULL PRIMARY KEY,
    status      text NOT NULL CHECK (status IN ('scheduled', 'sent', 'canceled', 'missed')),
    version     int NOT NULL,
    kind        text NOT NULL,
    content     text NOT NULL,
    publish_at  bigint NOT NULL,
    late        boolean NOT NULL DEFAULT false,
    sent_at     bigint,
    position    bigint,
    created_by  text NOT NULL,
    created_at  bigint NOT NULL,
    updated_at  bigint NOT NULL,
    key_scope   text COLLATE "C",
    key         text COLLATE "C",
    fingerprint bytea CHECK (octet_length(fingerprint) = 32),
    CHECK ((status = 'sent') = (sent_at IS NOT NULL))
);

CREATE UNIQUE INDEX broadcasts_by_key ON carillon.broadcasts (key_scope, key) WHERE key IS NOT NULL;
-- What is due, and nothing else.
CREATE INDEX broadcasts_by_time ON carillon.broadcasts (publish_at) WHERE status = 'scheduled';

-- Who has acknowledged an emergency, by which role, and when first.
CREATE TABLE carillon.acks (
    broadcast_id uuid NOT NULL REFERENCES carillon.broadcasts (id),
    user_id      text NOT NULL COLLATE "C",
    role         text NOT NULL,
    acked_at     bigint NOT NULL,
    PRIMARY KEY (broadcast_id, user_id)
);

CREATE INDEX acks_by_time ON carillon.acks (acked_at);

-- Those who have entered a room, in the order of their ids.
CREATE INDEX inbox_by_user ON carillon.inbox (room, user_id, since);

-- Sends broadcasts: those that still are as they were read, scheduled and due for no longer than `longest`, go into the log,
-- under their own ids as the events', and are marked. One call, one statement, one commit: nobody sees one without the
-- other. What another transaction has in hand is passed over, for it is being sent, changed or called off; and whoever
-- comes to change it later finds it sent.
--
-- The arrays from `publishes` on are the rows of all, each with the number of its broadcast.
CREATE FUNCTION carillon.fire(
    broadcasts uuid[], versions int[], lates boolean[], at bigint, longest bigint,
    publishes int[], ids uuid[], rooms text[], types text[], titles text[], messages text[], datas text[],
    priorities text[], action_urls text[], expires bigint[],
    OUT epoch bigint, OUT start bigint, OUT fired int[]
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    now bigint := carillon.now_ms();
    a record;
BEGIN
    SELECT coalesce(array_agg(f.n ORDER BY f.n), '{}') INTO fired FROM (
        SELECT f.n::int AS n FROM unnest(fire.broadcasts, fire.versions) WITH ORDINALITY AS f (id, version, n)
        JOIN carillon.broadcasts b ON b.id = f.id AND b.version = f.version
        WHERE b.status = 'scheduled' AND b.publish_at BETWEEN now - longest AND now
        FOR UPDATE OF b SKIP LOCKED
    ) f;
    IF fired = '{}' THEN
        SELECT h.epoch, h.position INTO STRICT epoch, start FROM carillon.log_head h WHERE h.id = 1;
        RETURN;
    END IF;
    SELECT array_agg(array_position(fired, r.publish) ORDER BY r.n) AS publishes, array_agg(r.id ORDER BY r.n) AS ids,
        array_agg(r.room ORDER BY r.n) AS rooms, array_agg(NULL::text) AS events, array_agg(r.type ORDER BY r.n) AS types,
        array_agg(r.title ORDER BY r.n) AS titles, array_agg(r.message ORDER BY r.n) AS messages,
        array_agg(r.data ORDER BY r.n) AS datas, array_agg(r.priority ORDER BY r.n) AS priorities,
        array_agg(r.action_url ORDER BY r.n) AS action_urls, array_agg(at) AS created,
        array_agg(r.expires_at ORDER BY r.n) AS expires
    INTO STRICT a
    FROM unnest(publishes, ids, rooms, types, titles, messages, datas, priorities, action_urls, expires)
        WITH ORDINALITY AS r (publish, id, room, type, title, message, data, priority, action_url, expires_at, n)
    WHERE r.publish = ANY (fired);
    SELECT l.epoch, l.start INTO STRICT epoch, start FROM carillon.append(
        ARRAY(SELECT fire.broadcasts[n] FROM unnest(fired) WITH ORDINALITY AS f (n, k) ORDER BY f.k),
        array_fill(0, ARRAY[cardinality(fired)]), 0, NULL, NULL, NULL, array_fill(at, ARRAY[cardinality(fired)]),
        a.publishes, a.ids, a.rooms, a.events, a.types, a.titles, a.messages, a.datas, a.priorities, a.action_urls,
        a.created, a.expires) l;
    UPDATE carillon.broadcasts b
    SET status = 'sent', sent_at = now, updated_at = now, late = fire.lates[f.n],
        position = start + array_position(a.publishes, f.k::int)
    FROM unnest(fired) WITH ORDINALITY AS f (n, k)
    WHERE b.id = fire.broadcasts[f.n];
END $$;

REVOKE EXECUTE ON FUNCTION carillon.fire(uuid[], int[], boolean[], bigint, bigint, int[], uuid[], text[], text[], text[],
    text[], text[], text[], text[], bigint[]) FROM PUBLIC;

-- The log, its keys, and each user's inbox. Instants are milliseconds since 1970; positions are the log's.
-- Everything lies in the schema `carillon`, which the runner has made: other services may live in the same database.

-- One row: how far the log has come. Its epoch is this database's own random number; a client's offset from another
-- database, or from before a backup was restored, is known by it. The columns below say where the data lay when the
-- epoch was drawn; `secret` is what pids are signed with, shared by the nodes over this log without their being told.
-- Room is left on the page, since the row is rewritten with each append.
CREATE TABLE carillon.log_head (
    id        int NOT NULL PRIMARY KEY CHECK (id = 1),
    epoch     bigint NOT NULL CHECK (epoch >= 0),
    position  bigint NOT NULL CHECK (position >= 0),
    trimmed   bigint NOT NULL CHECK (trimmed >= 0),
    system_id bigint,
    timeline  text,
    database  oid,
    relation  oid,
    secret    bytea NOT NULL CHECK (octet_length(secret) = 32)
) WITH (fillfactor = 10);

-- The log, in stretches of positions: a stretch that is too old is dropped at one stroke. Identifiers are unique in
-- their partition, by an index of its own (`add_partition`).
CREATE TABLE carillon.notifications (
    position   bigint NOT NULL PRIMARY KEY,
    id         uuid NOT NULL,
    event_id   uuid NOT NULL,
    room       text NOT NULL COLLATE "C",
    event      text,
    type       text NOT NULL,
    title      text NOT NULL,
    message    text NOT NULL,
    data       text NOT NULL,
    priority   text NOT NULL,
    action_url text,
    created_at bigint NOT NULL,
    expires_at bigint
) PARTITION BY RANGE (position);

-- Listing, replaying and counting a room. The expiry rides along so that counting need not touch the rows.
CREATE INDEX notifications_by_room ON carillon.notifications (room, position, expires_at);
-- Knowing a publish that is sent again, and what became of one.
CREATE INDEX notifications_by_event ON carillon.notifications (event_id, position);
-- Finding what is too old. Not a prefix of the log: a clock may have been wrong for a while.
CREATE INDEX notifications_by_age ON carillon.notifications (created_at);

-- The partitions there are: from `first` to `last`, both within.
CREATE TABLE carillon.partitions (
    first bigint NOT NULL PRIMARY KEY,
    last  bigint NOT NULL UNIQUE CHECK (last >= first)
);

-- Callers' keys of the last day. What the first call did is read from the log by its event id.
CREATE TABLE carillon.idempotency_keys (
    scope       text NOT NULL COLLATE "C",
    key         text NOT NULL COLLATE "C",
    fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
    event_id    uuid NOT NULL,
    created_at  bigint NOT NULL,
    PRIMARY KEY (scope, key)
);

CREATE INDEX idempotency_keys_by_age ON carillon.idempotency_keys (created_at);

-- Each user's rooms: since when a room is theirs, and up to where they have read it. What lies at or below
-- read_up_to is read but for the exceptions in inbox_marks; what lies beyond is unread but for those.
CREATE TABLE carillon.inbox (
    user_id    text NOT NULL COLLATE "C",
    room       text NOT NULL COLLATE "C",
    since      bigint NOT NULL,
    read_up_to bigint NOT NULL,
    PRIMARY KEY (user_id, room)
);

-- When a room was read up to where. An item without a mark was read at the read_at of the smallest up_to that covers
-- it, so that reading further on later does not change it.
CREATE TABLE carillon.inbox_reads (
    user_id text NOT NULL COLLATE "C",
    room    text NOT NULL COLLATE "C",
    up_to   bigint NOT NULL,
    read_at bigint NOT NULL,
    PRIMARY KEY (user_id, room, up_to)
);

-- Trimming: an entry below the oldest row covers nothing any more.
CREATE INDEX inbox_reads_by_place ON carillon.inbox_reads (up_to);

-- The exceptions, and what was read one by one: with a read_at, read then; without, unread again. Trimming takes a mark
-- along with its row, or after its row's partition; one without a row counts for nothing.
CREATE TABLE carillon.inbox_marks (
    user_id  text NOT NULL COLLATE "C",
    room     text NOT NULL COLLATE "C",
    position bigint NOT NULL,
    read_at  bigint,
    PRIMARY KEY (user_id, room, position)
);

-- From a row to its marks.
CREATE INDEX inbox_marks_by_row ON carillon.inbox_marks (position);
-- The few that were made unread, without a walk over the many that were read.
CREATE INDEX inbox_marks_unread ON carillon.inbox_marks (user_id, room, position) WHERE read_at IS NULL;

-- A random number from 0 on: an epoch.
CREATE FUNCTION carillon.random_epoch() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT ('x' || right(replace(gen_random_uuid()::text, '-', ''), 16))::bit(64)::bigint & 9223372036854775807
$$;

INSERT INTO carillon.log_head (id, epoch, position, trimmed, secret) VALUES (1, carillon.random_epoch(), 0, 0,
    sha256((gen_random_uuid()::text || gen_random_uuid() || gen_random_uuid())::bytea));

-- Adds a partition. The table is made first and attached then: that takes a lock which neither readers nor appends mind.
CREATE FUNCTION carillon.add_partition(first bigint, last bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text := 'notifications_' || first;
BEGIN
    EXECUTE format('CREATE TABLE carillon.%I (LIKE carillon.notifications INCLUDING ALL)', name);
    EXECUTE format('CREATE UNIQUE INDEX ON carillon.%I (id)', name);
    EXECUTE format('ALTER TABLE carillon.notifications ATTACH PARTITION carillon.%I FOR VALUES FROM (%s) TO (%s)',
        name, first, last + 1);
    INSERT INTO carillon.partitions VALUES (first, last);
END $$;

-- Adds partitions until the log can grow by `room` rows and has a spare one after that, under the head's lock. A partition that filled in less
-- than a day makes the next twice as long, so that their number stays near that of the days kept.
CREATE FUNCTION carillon.extend(at bigint, room bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    ahead carillon.partitions;
    filled carillon.partitions;
    span bigint := 1 << 20;
    days double precision;
BEGIN
    LOOP
        SELECT * INTO ahead FROM carillon.partitions ORDER BY first DESC LIMIT 1;
        EXIT WHEN ahead.first > at + room;
        IF ahead.first IS NOT NULL THEN
            span := ahead.last - ahead.first + 1;
            SELECT * INTO filled FROM carillon.partitions WHERE last <= at ORDER BY first DESC LIMIT 1;
            SELECT (z.created_at - a.created_at) / 86400e3 INTO days
                FROM carillon.notifications a, carillon.notifications z
                WHERE a.position = filled.first AND z.position = filled.last;
            IF days < 1 AND span < 1 << 26 AND span = filled.last - filled.first + 1 THEN
                span := span * 2;
            END IF;
        END IF;
        PERFORM carillon.add_partition(coalesce(ahead.last, 0) + 1, coalesce(ahead.last, 0) + span);
    END LOOP;
END $$;

SELECT carillon.extend(1, 0);

-- Keeps a batch: one call, one statement, one commit. The head's row lock orders everyone who appends; being VOLATILE,
-- each statement within sees what was committed before it began, so also what the lock was waited for.
--
-- Each publish has a turn: 0, or one more than that of the publish before it in the batch with the same event id or
-- key, so that within a turn no two can meet. `others` names the publishes that add nothing: 1 is kept already, by its
-- event id; 2 replays the first use of its key, 3 has another fingerprint than that. `firsts` is the event id of what
-- was kept then, `earlier` its rows.
--
-- Nearly every batch is new and without keys (`scopes` is then null): what it costs to find that out is what appending costs.
CREATE FUNCTION carillon.append(
    event_ids uuid[], turns int[], last_turn int, scopes text[], keys text[], fingerprints bytea[], used bigint[],
    publishes int[], ids uuid[], rooms text[], events text[], types text[], titles text[], messages text[],
    datas text[], priorities text[], action_urls text[], created bigint[], expires bigint[],
    OUT epoch bigint, OUT start bigint, OUT others int[], OUT outcomes int[], OUT firsts uuid[],
    OUT earlier_publishes int[], OUT earlier_ids uuid[], OUT earlier_rooms text[]
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    -- An event id is sent again within seconds; this many rows are half a minute's at the very least.
    recent CONSTANT bigint := 1 << 20;
    head bigint;
    last bigint;
    added bigint;
    found_others int[];
    found_outcomes int[];
    found_firsts uuid[];
BEGIN
    -- As if all were new: one statement takes the lock and moves the head.
    UPDATE carillon.log_head h SET position = h.position + cardinality(ids) WHERE h.id = 1
        RETURNING h.epoch, h.position - cardinality(ids), (SELECT max(p.last) FROM carillon.partitions p)
        INTO STRICT epoch, start, last;
    head := start;
    others := '{}';
    outcomes := '{}';
    firsts := '{}';
    -- Read before the lock was waited for, `last` may be too low: then there is nothing to extend.
    IF head + cardinality(ids) > last THEN
        PERFORM carillon.extend(head, cardinality(ids));
    END IF;
    FOR this_turn IN 0 .. last_turn LOOP
        found_others := '{}';
        IF scopes IS NOT NULL OR EXISTS (
            SELECT FROM carillon.notifications n WHERE n.event_id = ANY (event_ids) AND n.position > start - recent
        ) THEN
            SELECT coalesce(array_agg(v.n), '{}'), array_agg(v.outcome), array_agg(v.first)
            INTO found_others, found_outcomes, found_firsts
            FROM (
                SELECT p.n::int AS n, CASE WHEN known THEN p.event_id ELSE k.event_id END AS first,
                    CASE WHEN known THEN 1
                        WHEN k.fingerprint <> p.fingerprint THEN 3
                        -- A key whose rows are gone is as good as forgotten.
                        WHEN EXISTS (SELECT FROM carillon.notifications n WHERE n.event_id = k.event_id) THEN 2
                    END AS outcome
                FROM unnest(event_ids, turns, scopes, keys, fingerprints)
                    WITH ORDINALITY AS p (event_id, turn, scope, key, fingerprint, n)
                CROSS JOIN LATERAL (SELECT EXISTS (
                    SELECT FROM carillon.notifications n WHERE n.event_id = p.event_id AND n.position > start - recent
                ) AS known) AS e
                LEFT JOIN carillon.idempotency_keys k ON k.scope = p.scope AND k.key = p.key
                WHERE p.turn = this_turn
            ) v WHERE v.outcome IS NOT NULL;
        END IF;

        INSERT INTO carillon.notifications
        SELECT head + row_number() OVER (ORDER BY r.n), r.id, r.event_id, r.room, r.event, r.type, r.title, r.message,
            r.data, r.priority, r.action_url, r.created_at, r.expires_at
        FROM (
            SELECT r.*, event_ids[r.publish] AS event_id
            FROM unnest(publishes, ids, rooms, events, types, titles, messages, datas, priorities, action_urls,
                created, expires) WITH ORDINALITY AS r (publish, id, room, event, type, title,
                message, data, priority, action_url, created_at, expires_at, n)
            WHERE turns[r.publish] = this_turn AND r.publish <> ALL (found_others)
        ) r;
        GET DIAGNOSTICS added = ROW_COUNT;
        head := head + added;

        IF scopes IS NOT NULL THEN
            INSERT INTO carillon.idempotency_keys AS k
            SELECT p.scope, p.key, p.fingerprint, p.event_id, p.used_at
            FROM unnest(event_ids, turns, scopes, keys, fingerprints, used)
                WITH ORDINALITY AS p (event_id, turn, scope, key, fingerprint, used_at, n)
            WHERE p.scope IS NOT NULL AND p.turn = this_turn AND p.n <> ALL (found_others)
            ON CONFLICT (scope, key) DO UPDATE SET fingerprint = excluded.fingerprint, event_id = excluded.event_id,
                created_at = excluded.created_at;
        END IF;

        IF found_others <> '{}' THEN
            others := others || found_others;
            outcomes := outcomes || found_outcomes;
            firsts := firsts || found_firsts;
        END IF;
    END LOOP;
    IF others <> '{}' THEN
        SELECT array_agg(o.publish ORDER BY o.publish, n.position), array_agg(n.id ORDER BY o.publish, n.position),
            array_agg(n.room ORDER BY o.publish, n.position)
        INTO earlier_publishes, earlier_ids, earlier_rooms
        FROM unnest(others, outcomes, firsts) AS o (publish, outcome, event_id)
        JOIN carillon.notifications n ON n.event_id = o.event_id
        WHERE o.outcome <> 3;
    END IF;
    IF head < start + cardinality(ids) THEN
        UPDATE carillon.log_head SET position = head WHERE id = 1;
    END IF;
END $$;

-- Deletes what is too old, at most `most` rows or one partition a call; answers whether there is more. A full partition
-- goes as a whole, and its rows are left for it where that will be within a day; elsewhere rows go one by one.
CREATE FUNCTION carillon.trim(rows_before bigint, keys_before bigint, most int) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    head carillon.log_head;
    part carillon.partitions;
    name text;
    is_full boolean;
    newest bigint;
    oldest bigint;
    old bigint[];
    more boolean := false;
BEGIN
    -- One node at a time; the others need not.
    IF NOT pg_try_advisory_xact_lock(x'ca11'::int, 2) THEN
        RETURN false;
    END IF;
    SELECT * INTO STRICT head FROM carillon.log_head WHERE id = 1;
    IF NOT EXISTS (SELECT FROM carillon.partitions p WHERE p.first > head.position) THEN
        -- Under the head's lock, as appends do it; and nothing else under it.
        SELECT * INTO STRICT head FROM carillon.log_head WHERE id = 1 FOR UPDATE;
        PERFORM carillon.extend(head.position, 0);
        RETURN true;
    END IF;

    FOR part IN SELECT * FROM carillon.partitions p WHERE p.first <= head.position ORDER BY p.first LOOP
        name := 'notifications_' || part.first;
        is_full := part.last <= head.position;
        EXECUTE format('SELECT max(created_at), min(created_at) FROM carillon.%I', name) INTO newest, oldest;
        IF is_full AND coalesce(newest < rows_before, true) THEN
            EXIT WHEN more OR old IS NOT NULL;
            -- The head first, as appends do: who holds it may want the table next. Dropping keeps everyone else from the
            -- table, also while it waits: so it waits briefly.
            PERFORM FROM carillon.log_head WHERE id = 1 FOR UPDATE;
            PERFORM set_config('lock_timeout', '100ms', true);
            EXECUTE format('DROP TABLE carillon.%I', name);
            DELETE FROM carillon.partitions p WHERE p.first = part.first;
            UPDATE carillon.log_head SET trimmed = greatest(trimmed, part.last) WHERE id = 1;
            RETURN true;
        END IF;
        CONTINUE WHEN coalesce(oldest >= rows_before, true) OR is_full AND newest < rows_before + 86400000;
        more := old IS NOT NULL;
        EXIT WHEN more;
        EXECUTE format('SELECT array(SELECT position FROM carillon.%I WHERE created_at < $1 ORDER BY created_at LIMIT $2)',
            name) INTO old USING rows_before, most;
        EXECUTE format('DELETE FROM carillon.%I WHERE position = ANY ($1)', name) USING old;
        EXECUTE format('SELECT EXISTS (SELECT FROM carillon.%I WHERE created_at < $1)', name) INTO more USING rows_before;
        EXIT WHEN more;
    END LOOP;

    -- Keys go in the order of their age as rows do, and each has one row at least: none is left behind its rows.
    keys_before := greatest(keys_before, rows_before);
    DELETE FROM carillon.idempotency_keys WHERE (scope, key) IN (
        SELECT k.scope, k.key FROM carillon.idempotency_keys k
        WHERE k.created_at < keys_before ORDER BY k.created_at LIMIT most);
    oldest := coalesce((SELECT n.position FROM carillon.notifications n ORDER BY n.position LIMIT 1), head.position + 1);
    DELETE FROM carillon.inbox_reads WHERE (user_id, room, up_to) IN (
        SELECT r.user_id, r.room, r.up_to FROM carillon.inbox_reads r WHERE r.up_to < oldest ORDER BY r.up_to LIMIT most);
    DELETE FROM carillon.inbox_marks WHERE (user_id, room, position) IN (
        SELECT m.user_id, m.room, m.position FROM carillon.inbox_marks m
        WHERE m.position < oldest ORDER BY m.position LIMIT most);
    more := more
        OR EXISTS (SELECT FROM carillon.idempotency_keys k WHERE k.created_at < keys_before)
        OR EXISTS (SELECT FROM carillon.inbox_reads r WHERE r.up_to < oldest)
        OR EXISTS (SELECT FROM carillon.inbox_marks m WHERE m.position < oldest);
    -- Last, so that appends wait for nothing but the commit.
    IF old <> '{}' THEN
        UPDATE carillon.log_head SET trimmed = greatest(trimmed, (SELECT max(o) FROM unnest(old) o)) WHERE id = 1;
    END IF;
    RETURN more;
END $$;

-- Looks where the data lies, and draws a new epoch if that is not where it lay: a dump restored elsewhere, a recovery to
-- an earlier point, a failover. What may not be looked at is left out of the comparison.
CREATE FUNCTION carillon.settle(OUT is_known boolean, OUT is_renewed boolean) LANGUAGE plpgsql AS $$
DECLARE
    here carillon.log_head;
    before bigint;
BEGIN
    BEGIN
        here.system_id := (SELECT system_identifier FROM pg_control_system());
        here.timeline := left(pg_walfile_name(pg_current_wal_lsn()), 8);
    EXCEPTION WHEN OTHERS THEN
        NULL;
    END;
    here.database := (SELECT d.oid FROM pg_database d WHERE d.datname = current_database());
    here.relation := 'carillon.log_head'::regclass;
    is_known := here.system_id IS NOT NULL AND here.timeline IS NOT NULL;
    SELECT epoch INTO STRICT before FROM carillon.log_head WHERE id = 1;
    is_renewed := false;
    -- Nearly always; and a database that is read-only for a while can be looked at.
    IF EXISTS (SELECT FROM carillon.log_head h WHERE h.id = 1
        AND h.system_id IS NOT DISTINCT FROM coalesce(here.system_id, h.system_id)
        AND h.timeline IS NOT DISTINCT FROM coalesce(here.timeline, h.timeline)
        AND h.database = here.database AND h.relation = here.relation)
    THEN
        RETURN;
    END IF;
    UPDATE carillon.log_head h
    SET epoch = CASE
            WHEN h.system_id <> here.system_id OR h.timeline <> here.timeline OR h.database <> here.database
                OR h.relation <> here.relation THEN carillon.random_epoch()
            ELSE h.epoch
        END,
        system_id = coalesce(here.system_id, h.system_id), timeline = coalesce(here.timeline, h.timeline),
        database = here.database, relation = here.relation
    WHERE h.id = 1 AND (h.system_id, h.timeline, h.database, h.relation) IS DISTINCT FROM
        (coalesce(here.system_id, h.system_id), coalesce(here.timeline, h.timeline), here.database, here.relation);
    is_renewed := before <> (SELECT epoch FROM carillon.log_head WHERE id = 1);
END $$;

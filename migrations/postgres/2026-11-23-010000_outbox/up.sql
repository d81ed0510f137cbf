-- Publishing from within a service's own transaction: what it leaves here is there if it commits and is not if it does
-- not. The nodes take it from here into the log.

-- What waits, in the order in which it was written. `leased_until`: some node has it in hand until then.
CREATE TABLE carillon.outbox (
    place        bigint NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    id           uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    event        jsonb NOT NULL,
    written_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    leased_until timestamptz
);

-- What could not be understood, and why, for someone to look at. Nobody deletes it.
CREATE TABLE carillon.outbox_refused (
    id         uuid NOT NULL PRIMARY KEY,
    event      jsonb NOT NULL,
    written_at timestamptz NOT NULL,
    refused_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    faults     text NOT NULL
);

-- Publishes an event if the calling transaction commits; answers the id by which it can be found in outbox_refused should
-- it not be understood. A role needs USAGE on the schema and EXECUTE on this, and no more: it writes as its owner does.
CREATE FUNCTION carillon.publish(event jsonb) RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- The largest body that POST /api/v1/events reads.
    most CONSTANT int := 196608;
    written uuid;
BEGIN
    IF event IS NULL OR jsonb_typeof(event) <> 'object' THEN
        RAISE EXCEPTION 'carillon.publish: the event must be a JSON object' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF coalesce(event ->> 'event' NOT IN ('appointment:created', 'appointment:updated', 'appointment:canceled',
        'payment:completed', 'prescription:created', 'review:created', 'schedule:updated', 'user:status_changed'), true)
    THEN
        RAISE EXCEPTION 'carillon.publish: /event is not one of the eight known events'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF jsonb_typeof(event -> 'data') IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION 'carillon.publish: /data must be an object' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF octet_length(event::text) > most THEN
        RAISE EXCEPTION 'carillon.publish: the event has more than % bytes', most USING ERRCODE = 'program_limit_exceeded';
    END IF;
    INSERT INTO carillon.outbox (event) VALUES (publish.event) RETURNING id INTO written;
    RETURN written;
END $$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA carillon FROM PUBLIC;

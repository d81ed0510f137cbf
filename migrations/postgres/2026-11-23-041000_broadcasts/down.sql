DROP FUNCTION carillon.fire(uuid[], int[], boolean[], bigint, bigint, int[], uuid[], text[], text[], text[],
    text[], text[], text[], text[], bigint[]);
DROP INDEX carillon.inbox_by_user;
DROP TABLE carillon.acks;
DROP TABLE carillon.broadcasts;

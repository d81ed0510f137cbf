-- All but the schema, in which the versions stand.
DROP TABLE carillon.log_head, carillon.notifications, carillon.partitions, carillon.idempotency_keys, carillon.inbox,
    carillon.inbox_reads, carillon.inbox_marks CASCADE;
DROP FUNCTION carillon.random_epoch, carillon.add_partition, carillon.extend, carillon.append, carillon.trim,
    carillon.settle;

DROP FUNCTION carillon.publish;
DROP TABLE carillon.outbox, carillon.outbox_refused;

DROP FUNCTION carillon.note(text, text, text, text, uuid);
DROP FUNCTION carillon.now_ms();
DROP TABLE carillon.audit;
DROP FUNCTION carillon.keep_audit();

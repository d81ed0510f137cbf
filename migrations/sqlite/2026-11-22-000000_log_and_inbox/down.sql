DROP TABLE inbox_marks;
DROP TABLE inbox_reads;
DROP TABLE inbox;
DROP TABLE idempotency_keys;
DROP TABLE notifications;
DROP TABLE log_head;

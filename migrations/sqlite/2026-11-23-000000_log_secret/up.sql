-- 32 random bytes that the nodes over this log share without being told: what pids are signed with. SQLite cannot add a
-- column whose default is random, and the table has one row.
ALTER TABLE log_head ADD COLUMN secret BLOB NOT NULL DEFAULT x'' CHECK (length(secret) IN (0, 32));
UPDATE log_head SET secret = randomblob(32);

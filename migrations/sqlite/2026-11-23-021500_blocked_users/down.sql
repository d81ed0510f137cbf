DROP TRIGGER notifications_unblock;
DROP TRIGGER notifications_block;
DROP TABLE blocked_users;

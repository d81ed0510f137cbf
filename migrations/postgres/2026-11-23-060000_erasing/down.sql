DROP FUNCTION carillon.trim_type(text, bigint, int);
DROP TABLE carillon.kept_types;
DROP TRIGGER notifications_erase ON carillon.notifications;
DROP FUNCTION carillon.follow_erasing();

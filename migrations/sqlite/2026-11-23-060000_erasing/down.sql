DROP TABLE kept_types;
DROP TRIGGER notifications_erase;

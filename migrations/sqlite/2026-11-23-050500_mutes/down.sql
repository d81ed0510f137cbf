DROP TABLE kept_types;
DROP TRIGGER notifications_erase;
DROP TRIGGER notifications_mute;
DROP TABLE mutes;

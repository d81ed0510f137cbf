DROP TRIGGER notifications_mute;
DROP TABLE mutes;

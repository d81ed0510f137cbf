DROP TRIGGER notifications_mute ON carillon.notifications;
DROP FUNCTION carillon.follow_muting();
DROP TABLE carillon.mutes;

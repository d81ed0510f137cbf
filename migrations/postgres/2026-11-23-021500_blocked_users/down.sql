DROP TRIGGER notifications_status ON carillon.notifications;
DROP FUNCTION carillon.follow_status();
DROP TABLE carillon.blocked_users;

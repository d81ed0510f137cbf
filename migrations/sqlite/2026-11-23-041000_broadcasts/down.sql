DROP INDEX inbox_by_user;
DROP TABLE acks;
DROP TABLE broadcasts;

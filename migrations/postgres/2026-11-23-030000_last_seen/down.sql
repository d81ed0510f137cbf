DROP TABLE carillon.last_seen;

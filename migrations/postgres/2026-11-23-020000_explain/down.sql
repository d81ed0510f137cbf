DROP INDEX carillon.inbox_by_place;
DROP TABLE carillon.reached;

DROP INDEX inbox_by_place;
DROP TABLE reached;

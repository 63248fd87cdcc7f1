-- name: children
SELECT i.inhparent::int8 AS parent,
       i.inhrelid::int8 AS child
  FROM pg_inherits i;

-- Every table that a snapshot export could hold, with the relations that its rows are stored in.
--
-- A partitioned table stores nothing: its rows are those of its leaves. Views, materialized views and foreign
-- tables are not exported, and what is unlogged is empty in a snapshot.
WITH RECURSIVE below AS (
    SELECT oid AS table_oid, oid AS member_oid, relkind
    FROM pg_class
    WHERE relkind IN ('r', 'p')
    UNION ALL
    SELECT below.table_oid, child.oid, child.relkind
    FROM below
    JOIN pg_inherits AS i ON i.inhparent = below.member_oid
    JOIN pg_class AS child ON child.oid = i.inhrelid
    WHERE below.relkind = 'p'
),
stored AS (
    SELECT
        below.table_oid,
        array_agg(format('%I.%I', n.nspname, c.relname) ORDER BY c.oid) AS relations,
        sum(pg_relation_size(c.oid))::bigint AS bytes
    FROM below
    JOIN pg_class AS c ON c.oid = below.member_oid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relpersistence = 'p'
    GROUP BY below.table_oid
)
SELECT
    c.oid,
    n.nspname AS schema,
    c.relname AS name,
    c.relkind = 'p' AS partitioned,
    c.relpersistence = 'p' AS permanent,
    coalesce(s.relations, '{}') AS relations,
    coalesce(s.bytes, 0) AS bytes,
    coalesce(s.bytes, 0) / current_setting('block_size')::integer AS pages
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN stored AS s ON s.table_oid = c.oid
WHERE c.relkind IN ('r', 'p')
  AND n.nspname <> 'information_schema'
  AND n.nspname !~ '^pg_'
ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"

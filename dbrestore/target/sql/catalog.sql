-- name: tables
-- Every table that rows can be in or go through, of every schema that is not the system's.
SELECT c.oid::int8 AS oid,
       n.nspname AS schema,
       c.relname AS name,
       c.relkind::text AS kind,
       (SELECT i.inhparent::int8 FROM pg_inherits i WHERE i.inhrelid = c.oid AND c.relispartition) AS parent,
       ARRAY(SELECT i.inhparent::int8 FROM pg_inherits i WHERE i.inhrelid = c.oid AND NOT c.relispartition) AS inherits,
       c.relpersistence = 'u' AS is_unlogged,
       EXISTS (
           SELECT FROM pg_depend d
            WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0 AND d.deptype = 'e'
       ) AS is_of_extension,
       has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'SELECT')
           AND has_schema_privilege(n.oid, 'USAGE') AS is_writable,
       has_table_privilege(c.oid, 'TRUNCATE') AS is_truncatable,
       row_security_active(c.oid) AS filters_rows
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'f')
   AND c.relpersistence <> 't'
   AND n.nspname NOT LIKE 'pg\_%'
   AND n.nspname NOT IN ('information_schema', 'dbrestore')
 ORDER BY n.nspname, c.relname;

-- name: columns
-- In the order of the table; a column is what COPY can name, so generated ones are marked, not left out.
SELECT a.attrelid::int8 AS table_oid,
       a.attname AS name,
       a.atttypid::int8 AS type_oid,
       a.atttypmod AS typmod,
       format_type(a.atttypid, a.atttypmod) AS type_name,
       a.attnotnull OR t.typnotnull AS is_not_null,
       a.atthasdef OR t.typdefault IS NOT NULL AS has_default,
       a.attgenerated <> '' AS is_generated,
       a.attidentity <> '' AS is_identity
  FROM pg_attribute a
  JOIN pg_class c ON c.oid = a.attrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_type t ON t.oid = a.atttypid
 WHERE a.attnum > 0
   AND NOT a.attisdropped
   AND c.relkind IN ('r', 'p', 'f')
   AND c.relpersistence <> 't'
   AND n.nspname NOT LIKE 'pg\_%'
   AND n.nspname NOT IN ('information_schema', 'dbrestore')
 ORDER BY a.attrelid, a.attnum;

-- name: types
-- The types of the columns, and those that they are made of: under a domain what it is over, in an array its elements.
-- A receive function is told by its name and, if an extension owns it, by that; anybody else's could be anything.
WITH RECURSIVE used (oid) AS (
    SELECT DISTINCT a.atttypid
      FROM pg_attribute a
      JOIN pg_class c ON c.oid = a.attrelid
     WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'f')
    UNION
    SELECT part.oid
      FROM used
      JOIN pg_type t ON t.oid = used.oid
      CROSS JOIN LATERAL (VALUES (t.typbasetype), (t.typelem)) AS part (oid)
     WHERE part.oid <> 0
)
SELECT t.oid::int8 AS oid,
       t.typtype = 'd' AS is_domain,
       t.typbasetype::int8 AS base_oid,
       t.typtypmod AS typmod,
       t.typelem::int8 AS element_oid,
       t.typdelim::text AS delimiter,
       CASE
           WHEN e.extname IS NOT NULL THEN e.extname || '.' || p.proname
           WHEN p.pronamespace = 'pg_catalog'::regnamespace THEN p.proname
           ELSE ''
       END AS receive
  FROM used
  JOIN pg_type t ON t.oid = used.oid
  LEFT JOIN pg_proc p ON p.oid = t.typreceive
  LEFT JOIN pg_depend d
         ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
        AND d.refclassid = 'pg_extension'::regclass
  LEFT JOIN pg_extension e ON e.oid = d.refobjid;

-- name: tables_with_storage
-- A table without a page has no row; only the others have to be looked into.
SELECT c.oid::int8 AS oid
  FROM pg_class c
 WHERE c.oid = ANY ($1::oid[])
   AND pg_relation_size(c.oid) > 0;

-- name: database
SELECT current_database() AS name, current_setting('server_version_num')::int AS version;

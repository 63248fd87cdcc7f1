-- name: materialized_views
-- Those that CREATE EXTENSION made are for the extension to fill.
SELECT c.oid::int8 AS oid,
       n.nspname AS schema,
       c.relname AS name
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'm'
   AND NOT EXISTS (
       SELECT FROM pg_depend d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0 AND d.deptype = 'e'
   )
 ORDER BY n.nspname, c.relname;

-- name: reads
-- Which relations and functions each view reads, and each function whose body the server has parsed (BEGIN ATOMIC).
-- What is below 16384, FirstNormalObjectId in src/include/access/transam.h, is the system's own.
SELECT 'relation' AS reader_kind,
       r.ev_class::int8 AS reader,
       CASE WHEN d.refclassid = 'pg_proc'::regclass THEN 'function' ELSE 'relation' END AS source_kind,
       d.refobjid::int8 AS source
  FROM pg_rewrite r
  JOIN pg_class c ON c.oid = r.ev_class
  JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
 WHERE c.relkind IN ('v', 'm')
   AND c.oid >= 16384
   AND d.refclassid IN ('pg_class'::regclass, 'pg_proc'::regclass)
   AND d.refobjid <> c.oid
 UNION
SELECT 'function',
       d.objid::int8,
       CASE WHEN d.refclassid = 'pg_proc'::regclass THEN 'function' ELSE 'relation' END,
       d.refobjid::int8
  FROM pg_depend d
 WHERE d.classid = 'pg_proc'::regclass
   AND d.objid >= 16384
   AND d.refclassid IN ('pg_class'::regclass, 'pg_proc'::regclass);

-- name: opaque_functions
-- Functions that may read whatever they like, unlike immutable ones and those of extensions.
SELECT p.oid::int8 AS oid
  FROM pg_proc p
 WHERE p.oid >= 16384
   AND p.provolatile <> 'i'
   AND NOT EXISTS (
       SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
   );

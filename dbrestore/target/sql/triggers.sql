-- name: triggers
-- Those of the tables and of their partitions that COPY FROM or TRUNCATE fires, and that somebody declared. The copies that
-- partitions have of a trigger are marked as internal before version 15, as those of foreign keys are in any version: what a
-- trigger is, that which it is a copy of tells. tgtype: 4 is INSERT, 32 is TRUNCATE (src/include/catalog/pg_trigger.h).
WITH RECURSIVE loaded (oid) AS (
    SELECT unnest($1::oid[])
    UNION
    SELECT i.inhrelid
      FROM loaded
      JOIN pg_inherits i ON i.inhparent = loaded.oid
), declared (oid) AS (
    SELECT t.oid
      FROM pg_trigger t
     WHERE NOT t.tgisinternal
    UNION
    SELECT t.oid
      FROM declared
      JOIN pg_trigger t ON t.tgparentid = declared.oid
)
SELECT t.tgrelid::int8 AS table_oid,
       n.nspname AS schema,
       c.relname AS table,
       t.tgname AS name,
       t.tgenabled::text AS state,
       pg_has_role(c.relowner, 'USAGE') AS is_owned
  FROM pg_trigger t
  JOIN declared ON declared.oid = t.oid
  JOIN loaded ON loaded.oid = t.tgrelid
  JOIN pg_class c ON c.oid = t.tgrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE t.tgtype & (4 | 32) <> 0
 ORDER BY n.nspname, c.relname, t.tgname;

-- name: event_triggers
-- Those that fire when a table or an index is changed.
SELECT e.evtname AS name,
       e.evtevent AS event,
       e.evtfoid::regproc::text AS function
  FROM pg_event_trigger e
 WHERE e.evtenabled IN ('O', 'A')
   AND e.evtevent IN ('ddl_command_start', 'ddl_command_end', 'sql_drop')
 ORDER BY e.evtname;

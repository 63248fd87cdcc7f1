-- name: triggers
-- Those that COPY FROM or TRUNCATE fires, and that somebody declared. Before version 15 the copies that partitions have of
-- a trigger are marked as internal, as those of keys are in any version; these belong to a constraint which is none of a
-- trigger. tgtype: 4 is INSERT, 32 is TRUNCATE (src/include/catalog/pg_trigger.h).
SELECT t.tgrelid::int8 AS table_oid,
       n.nspname AS schema,
       c.relname AS table,
       t.tgname AS name,
       t.tgenabled::text AS state,
       pg_has_role(c.relowner, 'USAGE') AS is_owned
  FROM unnest($1::oid[]) AS loaded (oid)
  JOIN pg_trigger t ON t.tgrelid = loaded.oid
  JOIN pg_class c ON c.oid = t.tgrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_constraint k ON k.oid = t.tgconstraint
 WHERE t.tgtype & (4 | 32) <> 0
   AND (NOT t.tgisinternal OR t.tgparentid <> 0)
   AND (k.oid IS NULL OR k.contype = 't')
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

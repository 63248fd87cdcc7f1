-- name: can_freeze
-- Whoever decodes the log would see the TRUNCATE. A trigger may see it as well, or need a table that is locked by
-- another load that needs this one; so may a foreign key, to which no TRUNCATE of one table alone is allowed either.
SELECT c.relkind = 'r'
       AND has_table_privilege(c.oid, 'TRUNCATE')
       AND current_setting('wal_level') <> 'logical'
       AND NOT EXISTS (SELECT FROM pg_constraint f WHERE f.contype = 'f' AND c.oid IN (f.conrelid, f.confrelid))
       AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D')
  FROM pg_class c
 WHERE c.oid = $1;

-- name: skips_wal
SELECT current_setting('wal_level') = 'minimal';

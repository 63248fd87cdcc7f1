-- name: tables
SELECT n.nspname || ' ' || c.relname AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema');

-- name: objects
-- What pg_restore --list calls the things that are there: kind, and "schema tag".
SELECT CASE c.relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'INDEX' END AS kind, n.nspname || ' ' || c.relname AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('i', 'I', 'm')
UNION ALL
SELECT CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END,
       n.nspname || ' ' || p.proname || '(' || oidvectortypes(p.proargtypes) || ')'
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
UNION ALL
SELECT CASE k.contype WHEN 'f' THEN 'FK CONSTRAINT' WHEN 'c' THEN 'CHECK CONSTRAINT' ELSE 'CONSTRAINT' END,
       n.nspname || ' ' || c.relname || ' ' || k.conname
  FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
UNION ALL
SELECT 'TRIGGER', n.nspname || ' ' || c.relname || ' ' || t.tgname
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT t.tgisinternal
UNION ALL
SELECT 'RULE', n.nspname || ' ' || c.relname || ' ' || r.rulename
  FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE r.rulename <> '_RETURN'
UNION ALL
SELECT 'POLICY', n.nspname || ' ' || c.relname || ' ' || p.polname
  FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
UNION ALL
SELECT 'STATISTICS', n.nspname || ' ' || s.stxname
  FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
UNION ALL
SELECT 'EVENT TRIGGER', '- ' || evtname FROM pg_event_trigger
UNION ALL
SELECT 'PUBLICATION', '- ' || pubname FROM pg_publication;

-- name: extensions
-- Of the extensions $1 those that are not there: whether the server has them, and whether the role may create them.
SELECT wanted.name,
       a.name IS NOT NULL AS is_available,
       coalesce(bool_or(
           NOT v.superuser
           OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
           OR (v.trusted AND has_database_privilege(current_database(), 'CREATE'))
           -- rds_superuser and its kin may create what the provider allows
           OR EXISTS (SELECT FROM pg_roles r WHERE r.rolname IN ('rds_superuser', 'cloudsqlsuperuser', 'azure_pg_admin')
                         AND pg_has_role(current_user, r.oid, 'USAGE'))
       ), false) AS may_create
  FROM unnest($1::text[]) AS wanted (name)
  LEFT JOIN pg_available_extensions a ON a.name = wanted.name
  LEFT JOIN pg_available_extension_versions v ON v.name = a.name AND v.version = a.default_version
 WHERE NOT EXISTS (SELECT FROM pg_extension e WHERE e.extname = wanted.name)
 GROUP BY wanted.name, a.name;

-- name: state
SELECT to_regclass('dbrestore.archive') IS NOT NULL;

-- name: begin
CREATE SCHEMA dbrestore;
COMMENT ON SCHEMA dbrestore IS 'Unfinished restore: `dbrestore restore … --schema … --resume` goes on with it.';
CREATE TABLE dbrestore.archive (fingerprint text NOT NULL, path text NOT NULL, entries_made bigint NOT NULL);

-- name: record
INSERT INTO dbrestore.archive VALUES ($1, $2, 0);

-- name: read
SELECT fingerprint, path, entries_made FROM dbrestore.archive;

-- name: advance
UPDATE dbrestore.archive SET entries_made = $1;

-- name: end_programs
-- The sessions of a pg_restore that outlived the run that started it.
SELECT count(pg_terminate_backend(pid))
  FROM pg_stat_activity
 WHERE application_name = $1 AND datname = current_database() AND usename = current_user;

-- name: exists
SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1);

-- name: may_create
SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user;

-- name: is_owned
SELECT pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = $1;

-- name: comment
SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1;

-- name: form
-- to_jsonb, because the columns of a locale's provider differ between versions of the server.
SELECT pg_encoding_to_char(d.encoding) AS encoding, d.datcollate AS collate, d.datctype AS ctype,
       coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') AS provider,
       coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') AS locale,
       t.spcname AS tablespace
  FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace
 WHERE d.datname = $1;

-- name: properties
SELECT pg_get_userbyid(datdba) AS owner, datconnlimit AS connection_limit,
       shobj_description(oid, 'pg_database') AS comment, datacl IS NOT NULL AS has_acl
  FROM pg_database WHERE datname = $1;

-- name: grants
SELECT CASE grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(grantee) END AS grantee, privilege_type AS privilege,
       is_grantable
  FROM pg_database, aclexplode(datacl)
 WHERE datname = $1
 ORDER BY 1 NULLS FIRST, 2;

-- name: settings
SELECT CASE s.setrole WHEN 0 THEN NULL ELSE pg_get_userbyid(s.setrole) END AS role,
       split_part(setting, '=', 1) AS name, substr(setting, position('=' IN setting) + 1) AS value
  FROM pg_database d
  JOIN pg_db_role_setting s ON s.setdatabase = d.oid, unnest(s.setconfig) AS setting
 WHERE d.datname = $1
 ORDER BY 1 NULLS FIRST, 2;

-- name: sessions
SELECT pid, usename::text AS role FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid();

-- name: end_session
SELECT pg_terminate_backend($1);

-- name: now
SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD"T"HH24MISS');

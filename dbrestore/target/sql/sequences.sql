-- name: numbered
-- What a sequence numbers: the columns that own it (serial, OWNED BY, identity) and those whose default names it.
SELECT d.objid::int8 AS sequence_oid,
       d.refobjid::int8 AS table_oid,
       a.attname AS name,
       true AS is_plain
  FROM pg_depend d
  JOIN pg_sequence s ON s.seqrelid = d.objid
  JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
 WHERE d.classid = 'pg_class'::regclass
   AND d.refclassid = 'pg_class'::regclass
   AND d.deptype IN ('a', 'i')
 UNION ALL
SELECT d.refobjid::int8,
       f.adrelid::int8,
       a.attname,
       pg_get_expr(f.adbin, f.adrelid) ~ $re$^\(?nextval\('([^']|'')*'::regclass\)\)?(::[a-z]+)?$$re$
  FROM pg_depend d
  JOIN pg_sequence s ON s.seqrelid = d.refobjid
  JOIN pg_attrdef f ON f.oid = d.objid
  JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
 WHERE d.classid = 'pg_attrdef'::regclass
   AND d.refclassid = 'pg_class'::regclass;

-- name: columns
SELECT c.oid::int8 AS table_oid,
       n.nspname AS schema,
       c.relname AS table,
       a.attname AS name,
       t.typcategory = 'N' AND has_column_privilege(c.oid, a.attnum, 'SELECT')
           AND has_schema_privilege(n.oid, 'USAGE') AND NOT row_security_active(c.oid) AS is_comparable,
       (a.attrelid, a.attnum) IN (
           SELECT x.indrelid, x.indkey[0]
             FROM pg_index x
             JOIN pg_class xc ON xc.oid = x.indexrelid
             JOIN pg_am m ON m.oid = xc.relam
            WHERE m.amname = 'btree' AND x.indpred IS NULL AND x.indisvalid
       ) AS is_indexed
  FROM unnest($1::oid[], $2::name[]) AS k (table_oid, name)
  JOIN pg_attribute a ON a.attrelid = k.table_oid AND a.attname = k.name
  JOIN pg_type t ON t.oid = a.atttypid
  JOIN pg_class c ON c.oid = a.attrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'f')
 ORDER BY n.nspname, c.relname, a.attname;

-- name: sequences
SELECT s.seqrelid::int8 AS oid,
       n.nspname AS schema,
       c.relname AS name,
       s.seqstart AS start,
       s.seqincrement AS increment,
       s.seqmin AS minimum,
       s.seqmax AS maximum,
       has_sequence_privilege(s.seqrelid, 'UPDATE') AS is_settable
  FROM pg_sequence s
  JOIN pg_class c ON c.oid = s.seqrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE s.seqrelid = ANY ($1::oid[])
   AND c.relpersistence <> 't'
 ORDER BY n.nspname, c.relname;

-- name: set_sequences
-- Where $4 is true a sequence is only ever moved forward.
SELECT pg_catalog.setval(p.oid::pg_catalog.regclass, p.value, p.is_called)
  FROM unnest($1::oid[], $2::int8[], $3::bool[], $4::bool[]) AS p (oid, value, is_called, only_forward)
  JOIN pg_catalog.pg_sequence s ON s.seqrelid = p.oid
 WHERE NOT p.only_forward
    OR pg_catalog.pg_sequence_last_value(p.oid) IS NULL
    OR CASE
           WHEN s.seqincrement > 0 THEN p.value > pg_catalog.pg_sequence_last_value(p.oid)
           ELSE p.value < pg_catalog.pg_sequence_last_value(p.oid)
       END;

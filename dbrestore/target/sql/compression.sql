-- name: may_choose_lz4
-- No row before version 14. Whoever set the method for the server, a database or a role had a reason.
SELECT count(*) = 1 FROM pg_settings
WHERE name = 'default_toast_compression' AND source = 'default' AND 'lz4' = ANY (enumvals);

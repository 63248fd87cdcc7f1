-- Types of contrib modules, as far as the server has them. Needs a role that may create extensions.

CREATE SCHEMA contrib;

DO $$
DECLARE
    extension text;
BEGIN
    FOR extension IN
        SELECT name
        FROM pg_available_extensions
        WHERE name IN ('citext', 'hstore', 'ltree', 'cube', 'seg')
        ORDER BY name
    LOOP
        EXECUTE format('CREATE EXTENSION %I SCHEMA contrib', extension);
        EXECUTE format(
            'CREATE TABLE contrib.%I (id integer PRIMARY KEY, value contrib.%I, several contrib.%I[])',
            extension || 's', extension, extension
        );
    END LOOP;
END
$$;

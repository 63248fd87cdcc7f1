-- Keys and indexes of every kind, with all that has to come back with them. Runs on PostgreSQL 13 and later, with the
-- extensions btree_gist and citext in place.

CREATE SCHEMA parts;

CREATE FUNCTION public.shortened(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT left($1, 3) $$;

CREATE TABLE public.regions (
    country text COLLATE "C",
    region integer,
    name text,
    rank integer,
    PRIMARY KEY (country, region) INCLUDE (rank) WITH (fillfactor = 71),
    CONSTRAINT "regions of ""one"" name" UNIQUE (name) WITH (fillfactor = 72),
    CONSTRAINT regions_rank_key UNIQUE (country, rank) DEFERRABLE INITIALLY DEFERRED
);
COMMENT ON CONSTRAINT regions_pkey ON public.regions IS 'it''s the key \ of regions';
COMMENT ON INDEX public.regions_pkey IS 'its index';
ALTER TABLE public.regions CLUSTER ON regions_pkey;

CREATE TABLE public.people (
    id integer GENERATED ALWAYS AS IDENTITY,
    code integer NOT NULL,
    country text COLLATE "C",
    region integer,
    boss integer,
    friend integer,
    friend_code integer,
    name text,
    tags text[],
    during int4range,
    CONSTRAINT people_code_key UNIQUE (code) DEFERRABLE,
    CONSTRAINT people_pkey PRIMARY KEY (id)
);
CREATE UNIQUE INDEX people_code_idx ON public.people USING btree (code) WHERE code > 0;
CREATE UNIQUE INDEX people_identity ON public.people (code, id);
ALTER TABLE public.people REPLICA IDENTITY USING INDEX people_identity;
CREATE INDEX people_name_idx ON public.people (lower(name) text_pattern_ops DESC NULLS LAST, (length(name) + 1))
    WITH (fillfactor = 55, deduplicate_items = off) WHERE name IS NOT NULL;
ALTER INDEX public.people_name_idx ALTER COLUMN 1 SET STATISTICS 77;
ALTER INDEX public.people_name_idx ALTER COLUMN 2 SET STATISTICS 0;
COMMENT ON INDEX public.people_name_idx IS 'names';
ALTER INDEX public.people_name_idx DEPENDS ON EXTENSION citext;
ALTER INDEX public.people_pkey DEPENDS ON EXTENSION citext;
CREATE INDEX people_short_idx ON public.people (public.shortened(name) COLLATE "POSIX");
CREATE INDEX people_tags_idx ON public.people USING gin (tags) WITH (fastupdate = off);
CREATE INDEX people_hash_idx ON public.people USING hash (country);
CREATE INDEX people_brin_idx ON public.people USING brin (id) WITH (pages_per_range = 7, autosummarize = on);
CREATE INDEX people_gist_idx ON public.people USING gist (during range_ops) WITH (buffering = off);
CREATE INDEX people_spgist_idx ON public.people USING spgist (during);
CREATE INDEX "people of ""a"" boss" ON public.people (boss, friend);
ALTER TABLE public.people CLUSTER ON "people of ""a"" boss";
CREATE STATISTICS public.people_statistics (dependencies) ON country, region FROM public.people;
ALTER TABLE public.people
    ADD CONSTRAINT people_region_fkey FOREIGN KEY (country, region) REFERENCES public.regions
        MATCH FULL ON DELETE SET NULL ON UPDATE CASCADE,
    ADD CONSTRAINT people_boss_fkey FOREIGN KEY (boss) REFERENCES public.people DEFERRABLE INITIALLY DEFERRED,
    ADD CONSTRAINT people_friend_fkey FOREIGN KEY (friend_code, friend) REFERENCES public.people (code, id) DEFERRABLE,
    ADD CONSTRAINT people_name_fkey FOREIGN KEY (name) REFERENCES public.regions (name) NOT VALID;
COMMENT ON CONSTRAINT people_boss_fkey ON public.people IS 'who says so';

CREATE TABLE public.bookings (
    room integer,
    during tsrange,
    guest integer REFERENCES public.people,
    CONSTRAINT bookings_overlap EXCLUDE USING gist ((room + 0) WITH =, during WITH &&) WITH (fillfactor = 66)
        WHERE (room > 0) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT bookings_hashed EXCLUDE USING hash (guest WITH =) INITIALLY IMMEDIATE
);
COMMENT ON CONSTRAINT bookings_overlap ON public.bookings IS 'no two in one bed';
COMMENT ON INDEX public.bookings_overlap IS 'by room';
ALTER INDEX public.bookings_overlap ALTER COLUMN 1 SET STATISTICS 33;

-- A cycle through two schemas.
CREATE TABLE parts.makers (id integer PRIMARY KEY, best integer UNIQUE);
CREATE TABLE parts.parts (id integer PRIMARY KEY, maker integer NOT NULL REFERENCES parts.makers);
ALTER TABLE parts.makers ADD FOREIGN KEY (best) REFERENCES parts.parts;

-- Partitions of partitions, indexes of their own, columns in another order, names that differ from the parent's.
CREATE TABLE parts.events (
    id integer,
    at date,
    person integer REFERENCES public.people ON DELETE CASCADE,
    previous integer,
    previous_at date,
    note text,
    CONSTRAINT "events key" PRIMARY KEY (id, at) WITH (fillfactor = 81),
    UNIQUE (at, id) DEFERRABLE,
    FOREIGN KEY (previous, previous_at) REFERENCES parts.events
) PARTITION BY RANGE (at);
COMMENT ON CONSTRAINT "events key" ON parts.events IS 'of all events';
CREATE INDEX events_note_idx ON parts.events (lower(note)) WITH (fillfactor = 61);
COMMENT ON INDEX parts.events_note_idx IS 'of all notes';
CREATE TABLE parts.events_2019 PARTITION OF parts.events FOR VALUES FROM ('2019-01-01') TO ('2020-01-01');
CREATE TABLE parts.events_new PARTITION OF parts.events DEFAULT PARTITION BY LIST (at);
CREATE TABLE parts.events_rest PARTITION OF parts.events_new DEFAULT;
CREATE TABLE parts.events_2018 (
    note text,
    previous_at date,
    previous integer,
    person integer CONSTRAINT "person of 2018" REFERENCES public.people ON DELETE CASCADE,
    at date NOT NULL,
    id integer NOT NULL,
    CONSTRAINT "key of 2018" PRIMARY KEY (id, at) WITH (fillfactor = 82)
);
CREATE INDEX "notes of 2018" ON parts.events_2018 (lower(note)) WITH (fillfactor = 62);
COMMENT ON INDEX parts."notes of 2018" IS 'of the notes of a year';
ALTER INDEX parts."notes of 2018" ALTER COLUMN 1 SET STATISTICS 18;
ALTER TABLE parts.events ATTACH PARTITION parts.events_2018 FOR VALUES FROM ('2018-01-01') TO ('2019-01-01');
ALTER TABLE parts.events_2018 CLUSTER ON "key of 2018";
CREATE INDEX "only 2019" ON parts.events_2019 (note);
CREATE INDEX events_incomplete ON ONLY parts.events (person);
CREATE TABLE parts.comments (
    id integer GENERATED BY DEFAULT AS IDENTITY,
    event integer,
    event_at date,
    of_2019 integer,
    at_2019 date,
    FOREIGN KEY (event, event_at) REFERENCES parts.events,
    FOREIGN KEY (of_2019, at_2019) REFERENCES parts.events_2019
);
CREATE INDEX comments_event_idx ON parts.comments (event);

-- What cannot come down.
CREATE TABLE public.teams (id integer PRIMARY KEY, name text);
CREATE INDEX teams_name_idx ON public.teams (name);
CREATE VIEW public.named_teams AS SELECT id, name FROM public.teams GROUP BY id;
CREATE TABLE public.published (id integer PRIMARY KEY, team integer REFERENCES public.teams);
CREATE PUBLICATION publication FOR TABLE public.published;

-- What the web shop lacks: a cycle, partitions of partitions, triggers, a constraint that needs its table for itself.

CREATE TABLE public.teams (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, captain integer, name text UNIQUE);
CREATE TABLE public.players (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    team integer REFERENCES public.teams DEFERRABLE,
    seat int4range,
    EXCLUDE USING gist (seat WITH &&)
);
ALTER TABLE public.teams ADD FOREIGN KEY (captain) REFERENCES public.players;
CREATE INDEX teams_captain_idx ON public.teams (captain);
ALTER TABLE public.teams CLUSTER ON teams_captain_idx;

CREATE TABLE public.visits (
    day date,
    number integer,
    player integer REFERENCES public.players,
    PRIMARY KEY (day, number)
) PARTITION BY RANGE (day);
CREATE INDEX visits_player_idx ON public.visits (player);
CREATE TABLE public.visits_2019 PARTITION OF public.visits FOR VALUES FROM ('2019-01-01') TO ('2020-01-01');
CREATE TABLE public.visits_new PARTITION OF public.visits DEFAULT PARTITION BY LIST (day);
CREATE TABLE public.visits_rest PARTITION OF public.visits_new DEFAULT;
CREATE TABLE public.remarks (id bigserial, day date, number integer, FOREIGN KEY (day, number) REFERENCES public.visits);

CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON public.visits FOR EACH ROW EXECUTE FUNCTION public.refuse();
CREATE TRIGGER refuse BEFORE INSERT ON public.teams FOR EACH STATEMENT EXECUTE FUNCTION public.refuse();
ALTER TABLE public.teams ENABLE ALWAYS TRIGGER refuse;

CREATE MATERIALIZED VIEW public.totals AS SELECT team, count(*)::integer AS players FROM public.players GROUP BY team
WITH NO DATA;

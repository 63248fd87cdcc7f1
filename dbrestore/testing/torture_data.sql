ALTER TABLE public.teams DISABLE TRIGGER USER;
ALTER TABLE public.visits DISABLE TRIGGER USER;
INSERT INTO public.teams (name) SELECT 'team ' || n FROM generate_series(1, 50) AS n;
INSERT INTO public.players (team, seat) SELECT 1 + n % 50, int4range(n, n + 1) FROM generate_series(1, 3000) AS n;
UPDATE public.teams SET captain = id + 50;
INSERT INTO public.visits SELECT '2019-06-01'::date + n / 10, n, 1 + n % 3000 FROM generate_series(1, 6000) AS n;
INSERT INTO public.remarks (day, number) SELECT day, number FROM public.visits;
ALTER TABLE public.teams ENABLE ALWAYS TRIGGER refuse;
ALTER TABLE public.visits ENABLE TRIGGER USER;

INSERT INTO public.regions SELECT country, region, country || region, region FROM unnest('{de,fr,it}'::text[]) AS country, generate_series(1, 30) AS region;
INSERT INTO public.people (code, country, region, boss, friend, friend_code, name, tags, during)
    SELECT n, 'de', 1 + n % 30, 1 + n / 2, 501 - n, 501 - n, CASE WHEN n % 5 > 0 THEN 'fr' || 1 + n % 30 END,
           ARRAY['a', 'tag' || n % 7], int4range(n, n + 10)
      FROM generate_series(1, 500) AS n;
INSERT INTO public.bookings SELECT n % 10, tsrange('2020-01-01'::timestamp + n * '1 day'::interval, '2020-01-02'::timestamp + n * '1 day'::interval), n
  FROM generate_series(1, 300) AS n;
INSERT INTO parts.makers SELECT n FROM generate_series(1, 20) AS n;
INSERT INTO parts.parts SELECT n, 1 + n % 20 FROM generate_series(1, 200) AS n;
UPDATE parts.makers SET best = id * 10;
INSERT INTO parts.events
    SELECT n, '2018-01-01'::date + n, 1 + n % 500, n - 1 , '2018-01-01'::date + n - 1, 'note ' || n FROM generate_series(1, 900) AS n
     WHERE n > 1
    UNION ALL SELECT 1, '2018-01-02', 1, NULL, NULL, NULL;
INSERT INTO parts.comments (event, event_at, of_2019, at_2019)
    SELECT n, '2018-01-01'::date + n, 400, '2018-01-01'::date + 400 FROM generate_series(1, 900) AS n;
INSERT INTO public.teams VALUES (1, 'red'), (2, 'blue');
INSERT INTO public.published VALUES (1, 1), (2, 2);

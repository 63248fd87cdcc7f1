-- Values for those tables of contrib_types.sql that exist.

DO $$
BEGIN
    IF to_regclass('contrib.citexts') IS NOT NULL THEN
        INSERT INTO contrib.citexts VALUES
            (1, 'MiXeD', '{A,b}'), (2, '', '{}'), (3, E'tab\t"quote"', '{NULL}'), (4, NULL, NULL);
    END IF;
    IF to_regclass('contrib.hstores') IS NOT NULL THEN
        INSERT INTO contrib.hstores VALUES
            (1, 'a=>1, "b c"=>"d\"e", f=>NULL', '{"a=>1"}'), (2, '', '{}'), (3, NULL, NULL);
    END IF;
    IF to_regclass('contrib.ltrees') IS NOT NULL THEN
        INSERT INTO contrib.ltrees VALUES
            (1, 'Top.Science.Astronomy', '{a.b,c}'), (2, '', '{}'), (3, NULL, NULL);
    END IF;
    IF to_regclass('contrib.cubes') IS NOT NULL THEN
        INSERT INTO contrib.cubes VALUES
            (1, '(1,2),(3,4)', '{"(1)"}'), (2, '(0.1)', '{}'), (3, '()', NULL), (4, NULL, NULL);
    END IF;
END
$$;

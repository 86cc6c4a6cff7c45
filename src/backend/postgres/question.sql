DO $ebbtide$
DECLARE
  wanted oid[] := pg_catalog.current_setting('ebbtide.wanted')::oid[];
  fallback oid[] := pg_catalog.current_setting('ebbtide.fallback')::oid[];
  kinds text := pg_catalog.current_setting('ebbtide.kinds');
  types oid[] := wanted;
  phase text := 'infer';
  place int := 0;
  found oid[];
  best oid[];
  state text;
  named int;
  unplaced int := 0;
BEGIN
  -- There a backslash may end a string elsewhere than the library believes, and more than one statement would be run.
  IF pg_catalog.current_setting('standard_conforming_strings') <> 'on'
    AND pg_catalog.strpos(pg_catalog.current_setting('ebbtide.text'), pg_catalog.chr(92)) > 0
  THEN
    phase := 'none';
  END IF;
  LOOP
    EXIT WHEN phase = 'none';
    BEGIN
      EXECUTE pg_catalog.concat('PREPARE ebbtide_question(', (SELECT pg_catalog.string_agg(t::regtype::text, ',' ORDER BY n)
        FROM pg_catalog.unnest(types) WITH ORDINALITY u(t, n)), ') AS ', pg_catalog.current_setting('ebbtide.text'));
      found := (SELECT p.parameter_types::oid[] FROM pg_catalog.pg_prepared_statements p WHERE p.name = 'ebbtide_question');
      DEALLOCATE ebbtide_question;
      best := found;
      state := '';
    EXCEPTION WHEN OTHERS THEN
      -- What may succeed a moment later says nothing of the types.
      IF SQLSTATE ~ '^(25|40|53|54|55|57|58|XX)' THEN
        RAISE;
      END IF;
      state := SQLSTATE;
      named := pg_catalog.substring(SQLERRM, '[$]([0-9]+)');
    END;
    CASE
      WHEN state = '42P05' THEN
        -- One that was cut off left it.
        DEALLOCATE ebbtide_question;
        CONTINUE;
      WHEN phase = 'infer' AND state = '' THEN
        phase := 'array';
      WHEN phase = 'infer' AND state = '42P18' AND types[named] <> fallback[named] THEN
        -- Any type is right there. Where there are many such places, all texts are taken for text at once.
        unplaced := unplaced + 1;
        IF unplaced > 16 THEN
          wanted := (SELECT pg_catalog.array_agg(CASE WHEN f = 705 THEN w ELSE f END ORDER BY n)
            FROM ROWS FROM (pg_catalog.unnest(wanted), pg_catalog.unnest(fallback)) WITH ORDINALITY u(w, f, n));
        END IF;
        wanted[named] := fallback[named];
        types := wanted;
        CONTINUE;
      WHEN phase = 'infer' AND state IN ('42P18', '42P08', '42725', '42883', '42804', '42846') THEN
        -- A NULL may have another type than its own.
        phase := 'open';
        types := (SELECT pg_catalog.array_agg(CASE WHEN w <> f THEN 705 ELSE w END ORDER BY n)
          FROM ROWS FROM (pg_catalog.unnest(wanted), pg_catalog.unnest(fallback)) WITH ORDINALITY u(w, f, n));
        CONTINUE;
      WHEN phase = 'open' AND state = '' THEN
        phase := 'array';
      WHEN phase = 'open' THEN
        phase := 'fallback';
        types := fallback;
        CONTINUE;
      WHEN phase = 'fallback' AND state = '' THEN
        phase := 'each';
      ELSE
        EXIT WHEN best IS NULL;
    END CASE;
    -- Where the server does not infer all, each type that it does infer beside the others is kept. Where it infers an
    -- array from one text, as in `tags || :tag`, the text itself is preferred if that is possible.
    place := (SELECT pg_catalog.min(n) FROM pg_catalog.generate_subscripts(best, 1) n JOIN pg_catalog.pg_type t ON t.oid = best[n]
      WHERE n > place AND n <= 64 AND CASE phase WHEN 'each' THEN wanted[n] <> fallback[n]
        ELSE pg_catalog.substr(kinds, n, 1) = 't' AND t.typcategory = 'A' END);
    EXIT WHEN place IS NULL AND phase = 'array';
    types := best;
    IF place IS NULL THEN
      phase := 'array';
      place := 0;
    ELSE
      types[place] := CASE phase WHEN 'each' THEN wanted[place] ELSE 25 END;
    END IF;
  END LOOP;
  PERFORM pg_catalog.set_config('ebbtide.answer', coalesce(best, '{}')::text, true);
END
$ebbtide$;
SELECT pg_catalog.current_setting('ebbtide.answer')
UNION ALL (
  WITH asked AS (SELECT DISTINCT t FROM pg_catalog.unnest(pg_catalog.current_setting('ebbtide.answer')::oid[]) t)
  SELECT pg_catalog.concat_ws(' ', t.oid, CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE 0 END,
    t.typtype = 'm' OR t.typcategory = 'Z', pg_catalog.format('%I.%I', n.nspname, t.typname))
  FROM asked JOIN pg_catalog.pg_type t ON t.oid = asked.t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
)

-- How late things are, told so that it cannot look better than it is: work is as old as its plan and not as its last try, an event that is
-- told again waits since then, and what the sweeps have left shows.
SET LOCAL lock_timeout = '10s';

CREATE OR REPLACE FUNCTION media.schema_version() RETURNS bigint
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  SET search_path = pg_catalog, pg_temp
  AS $$ SELECT 25::bigint $$;

ALTER TABLE media.outbox ADD COLUMN replayed_at timestamptz;
COMMENT ON COLUMN media.outbox.replayed_at IS 'When it was last marked to be published once more; NULL: it never was.';
GRANT UPDATE (replayed_at) ON media.outbox TO media_api;

COMMENT ON COLUMN media.uploads.finished_at IS 'When its state last changed: of one that is aborting, when it was given up.';
-- Who of them waits longest is the first entry.
CREATE INDEX uploads_given_up ON media.uploads ((coalesce(finished_at, created_at))) WHERE state = 'aborting';

-- As in 0007, to have and to replace what is its own, media_across must be allowed to create in the schema; for this moment only.
GRANT CREATE ON SCHEMA media TO media_across;
SET LOCAL ROLE media_across;

-- Each queue that has something: what waits, what runs, what runs without a lease, and how long ago the oldest that waits was planned. A
-- release sets not_before anew, by ten minutes at the most: what nobody can do is given back again and again, and is no younger for it.
-- What lies further ahead was put off by hand.
CREATE OR REPLACE FUNCTION media.queue_depths()
  RETURNS TABLE (queue text, waiting bigint, running bigint, lapsed bigint, oldest_seconds double precision)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, media, pg_temp
  AS $$
    SELECT w.queue, count(*) FILTER (WHERE w.state = 'waiting'), count(*) FILTER (WHERE w.state = 'running'),
      count(*) FILTER (WHERE w.state = 'running' AND w.lease_until < clock_timestamp()),
      coalesce(extract(epoch FROM clock_timestamp() - min(w.created_at) FILTER (WHERE w.state = 'waiting')), 0)::double precision
    FROM media.work w
    WHERE w.state IN ('waiting', 'running') AND (w.state = 'running' OR w.not_before <= clock_timestamp() + interval '10 minutes')
    GROUP BY w.queue
  $$;

-- What the relay has not published yet, and since when the oldest waits: of what is told again, since it was asked for.
CREATE OR REPLACE FUNCTION media.outbox_depth()
  RETURNS TABLE (waiting bigint, oldest_seconds double precision)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, media, pg_temp
  AS $$
    SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(greatest(o.created_at, o.replayed_at))), 0)::double precision
    FROM media.outbox o WHERE o.published_at IS NULL
  $$;

-- Of sweeps that remove from the store: for how long the oldest has been due that is still there, also where it cannot be swept. Each
-- is the first entry of an index (blobs_doomed, uploads_given_up), however many there are.
CREATE FUNCTION media.sweep_lags()
  RETURNS TABLE (sweep text, oldest_seconds double precision)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, media, pg_temp
  AS $$
    SELECT lags.sweep, greatest(extract(epoch FROM clock_timestamp() - lags.since), 0)::double precision
    FROM (VALUES
      ('doomed_blobs'::text, (SELECT b.doomed_at FROM media.blobs b WHERE b.doomed_at IS NOT NULL ORDER BY b.doomed_at LIMIT 1)),
      ('abandoned_uploads'::text, (
        SELECT coalesce(u.finished_at, u.created_at) FROM media.uploads u
        WHERE u.state = 'aborting' ORDER BY coalesce(u.finished_at, u.created_at) LIMIT 1))
    ) lags (sweep, since)
  $$;

-- Erasures that are not done, and since when the oldest is asked for. Holds may keep one open for years: that is no lag.
CREATE FUNCTION media.open_erasures()
  RETURNS TABLE (waiting bigint, oldest_seconds double precision)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, media, pg_temp
  AS $$
    SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(e.created_at)), 0)::double precision
    FROM media.erasures e WHERE e.state = 'running'
  $$;

REVOKE ALL ON FUNCTION media.sweep_lags(), media.open_erasures() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION media.sweep_lags(), media.open_erasures() TO media_janitor;
RESET ROLE;
REVOKE CREATE ON SCHEMA media FROM media_across;

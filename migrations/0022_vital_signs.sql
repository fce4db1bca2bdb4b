-- What a person at 3 a.m. looks at first: how far behind the service is. Numbers and ids of tenants, never content.

SET LOCAL lock_timeout = '10s';

-- The last migration that the schema has, for readiness and `media doctor`: each later one replaces this function.
CREATE FUNCTION media.schema_version() RETURNS bigint
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  SET search_path = pg_catalog, pg_temp
  AS $$ SELECT 22::bigint $$;

-- An upload whose completion was lost is completed by the janitor.
GRANT INSERT ON media.blobs TO media_janitor;

GRANT SELECT (tenant_id, reason, redriven_at) ON media.dead_letters TO media_across;
GRANT SELECT (tenant_id, used_bytes) ON media.tenant_usage TO media_across;
CREATE POLICY across ON media.dead_letters FOR SELECT TO media_across USING (true);
CREATE POLICY across ON media.tenant_usage FOR SELECT TO media_across USING (true);

-- Each queue that has something: what waits and may begin, what runs, what runs without a lease, and since when the oldest waits.
CREATE FUNCTION media.queue_depths()
  RETURNS TABLE (queue text, waiting bigint, running bigint, lapsed bigint, oldest_seconds double precision)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, media, pg_temp
  AS $$
    SELECT w.queue, count(*) FILTER (WHERE w.state = 'waiting' AND w.not_before <= clock_timestamp()),
      count(*) FILTER (WHERE w.state = 'running'), count(*) FILTER (WHERE w.state = 'running' AND w.lease_until < clock_timestamp()),
      coalesce(extract(epoch FROM clock_timestamp() - min(w.not_before) FILTER (WHERE w.state = 'waiting' AND w.not_before <= clock_timestamp())),
        0)::double precision
    FROM media.work w WHERE w.state IN ('waiting', 'running') GROUP BY w.queue
  $$;

-- What the relay has not published yet, and since when the oldest waits.
CREATE FUNCTION media.outbox_depth()
  RETURNS TABLE (waiting bigint, oldest_seconds double precision)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, media, pg_temp
  AS $$
    SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(o.created_at)), 0)::double precision
    FROM media.outbox o WHERE o.published_at IS NULL
  $$;

-- Work that was given up and that nobody has sent again, by why: a word of ours, never a text.
CREATE INDEX dead_letters_open ON media.dead_letters (created_at) WHERE redriven_at IS NULL;
CREATE FUNCTION media.open_dead_letters()
  RETURNS TABLE (reason text, waiting bigint)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, media, pg_temp
  AS $$
    SELECT CASE WHEN d.reason ~ '^[a-z_]{1,40}$' THEN d.reason ELSE 'other' END, count(*)
    FROM media.dead_letters d WHERE d.redriven_at IS NULL GROUP BY 1
  $$;

-- Who stores most, and what all others store together, without a tenant: metrics need a bound.
CREATE FUNCTION media.stored_bytes(p_limit int)
  RETURNS TABLE (tenant_id uuid, bytes bigint)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, media, pg_temp
  AS $$
    WITH ranked AS (
      SELECT u.tenant_id, u.used_bytes, row_number() OVER (ORDER BY u.used_bytes DESC, u.tenant_id) AS place FROM media.tenant_usage u
    )
    SELECT r.tenant_id, r.used_bytes FROM ranked r WHERE r.place <= p_limit
    UNION ALL
    SELECT NULL, sum(r.used_bytes)::bigint FROM ranked r WHERE r.place > p_limit HAVING count(*) > 0
  $$;

-- Assets at which nothing more is made, and that others still follow: whoever ended them did not know of followers, as before 0014.
CREATE FUNCTION media.left_followers(p_limit int)
  RETURNS TABLE (tenant_id uuid, leader_id uuid)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, media, pg_temp
  AS $$
    SELECT DISTINCT f.tenant_id, f.follows::uuid FROM media.assets f JOIN media.assets l ON l.tenant_id = f.tenant_id AND l.id = f.follows
    WHERE f.follows IS NOT NULL AND (l.deleted_at IS NOT NULL OR l.status NOT IN ('scanning', 'transcoding'))
      AND NOT EXISTS (SELECT FROM media.work w WHERE w.asset_id = l.id AND w.state IN ('waiting', 'running'))
    LIMIT p_limit
  $$;

DO $own$
DECLARE
  fn regprocedure;
BEGIN
  -- As in 0007: to be given a function, its new owner must be allowed to create in the schema; for this moment only.
  GRANT CREATE ON SCHEMA media TO media_across;
  FOREACH fn IN ARRAY ARRAY['media.queue_depths()'::regprocedure, 'media.outbox_depth()'::regprocedure,
    'media.open_dead_letters()'::regprocedure, 'media.left_followers(int)'::regprocedure, 'media.stored_bytes(int)'::regprocedure]
  LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', fn);
    EXECUTE format('ALTER FUNCTION %s OWNER TO media_across', fn);
  END LOOP;
  REVOKE CREATE ON SCHEMA media FROM media_across;
END
$own$;
GRANT EXECUTE ON FUNCTION media.left_followers(int), media.queue_depths(), media.outbox_depth(), media.open_dead_letters(), media.stored_bytes(int) TO media_janitor;

-- What the janitor asks again and again costs by what it is answered, and no longer by all that waits. Which queues are idle is asked
-- every five seconds: just where workers are away and much waits, each piece that waits was held against all that was ever claimed.
-- Which originals are cold was every minute found by sorting all that are: of some millions, in no time that a statement has.
SET LOCAL lock_timeout = '10s';

CREATE OR REPLACE FUNCTION media.schema_version() RETURNS bigint
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  SET search_path = pg_catalog, pg_temp
  AS $$ SELECT 26::bigint $$;

CREATE INDEX work_claimed ON media.work (queue, claimed_at);

-- As in 0007, to replace what is its own, media_across must be allowed to create in the schema; for this moment only.
GRANT CREATE ON SCHEMA media TO media_across;
SET LOCAL ROLE media_across;
-- Of each queue the first entry of work_waiting_of_tenant that is due, of work_claimed and of outbox_commands.
CREATE OR REPLACE FUNCTION media.idle_queues(p_idle_seconds double precision)
  RETURNS TABLE (queue text, work_id uuid, tenant_id uuid)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, media, pg_temp
  AS $$
    SELECT q.queue, w.id::uuid, w.tenant_id
    FROM (VALUES ('scan'::text), ('transcode'), ('caption')) q (queue)
      CROSS JOIN (SELECT clock_timestamp() - make_interval(secs => p_idle_seconds)) idle (since)
      CROSS JOIN LATERAL (
        SELECT w.id, w.tenant_id FROM media.work w
        WHERE w.queue = q.queue AND w.state = 'waiting' AND w.not_before < idle.since
        ORDER BY w.tenant_id, w.priority, w.rank, w.created_at, w.id LIMIT 1) w
    WHERE coalesce((
        SELECT r.claimed_at FROM media.work r WHERE r.queue = q.queue AND r.claimed_at IS NOT NULL
        ORDER BY r.claimed_at DESC LIMIT 1) <= idle.since, true)
      -- Nor was the queue asked in that time: workers that are busy, or not there yet, need not be told again and again.
      AND coalesce((
        SELECT o.created_at FROM media.outbox o WHERE o.kind = 'command' AND o.routing_key = 'media.' || q.queue
        ORDER BY o.created_at DESC LIMIT 1) <= idle.since, true)
  $$;
-- Of each tenant as many as are asked for, those first that were unused for the longest. Of the assets that name one, the first in that
-- order stands for all. Each question is asked row by row, in the order of the index, and ends with its first answer: as joins they would
-- be made of all rows before the first is taken.
CREATE OR REPLACE FUNCTION media.cold_originals(p_default_days int, p_limit int)
  RETURNS TABLE (tenant_id uuid, bucket text, key text)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, media, pg_temp
  AS $$
    WITH RECURSIVE tenants AS (
      (SELECT x.tenant_id AS id FROM media.assets x
       WHERE x.status = 'ready' AND x.deleted_at IS NULL AND x.archived_at IS NULL ORDER BY x.tenant_id LIMIT 1)
      UNION ALL
      SELECT (SELECT x.tenant_id FROM media.assets x
              WHERE x.status = 'ready' AND x.deleted_at IS NULL AND x.archived_at IS NULL AND x.tenant_id > t.id ORDER BY x.tenant_id LIMIT 1)
      FROM tenants t WHERE t.id IS NOT NULL
    )
    SELECT t.id, due.bucket, due.key FROM tenants t
      LEFT JOIN media.tenant_policies p ON p.tenant_id = t.id
      CROSS JOIN LATERAL (SELECT now() - make_interval(days => coalesce(p.archive_after_days, p_default_days)) AS since) cold
      CROSS JOIN LATERAL (
        SELECT unused.bucket, unused.key, unused.since, row_number() OVER (ORDER BY unused.since, unused.id) AS turn
        FROM (
          SELECT x.id, x.bucket, x.key, coalesce(x.last_accessed_at, x.created_at) AS since FROM media.assets x
          WHERE x.tenant_id = t.id AND x.status = 'ready' AND x.deleted_at IS NULL AND x.archived_at IS NULL
            AND coalesce(x.last_accessed_at, x.created_at) <= cold.since
            AND (SELECT b.doomed_at IS NULL AND b.archive_state IS NULL AND b.tenant_id = t.id FROM media.blobs b
                 WHERE b.bucket = x.bucket AND b.key = x.key)
            AND (SELECT true FROM media.assets o
                 WHERE o.tenant_id = t.id AND o.key = x.key AND o.bucket = x.bucket
                   AND o.status = 'ready' AND o.deleted_at IS NULL AND o.archived_at IS NULL
                   AND (coalesce(o.last_accessed_at, o.created_at), o.id) < (coalesce(x.last_accessed_at, x.created_at), x.id)
                 LIMIT 1) IS NOT TRUE
            AND (SELECT true FROM media.assets o
                 WHERE o.tenant_id = t.id AND o.key = x.key AND o.bucket = x.bucket
                   AND (o.status <> 'ready' OR o.deleted_at IS NOT NULL OR coalesce(o.last_accessed_at, o.created_at) > cold.since
                     OR EXISTS (SELECT FROM media.work w WHERE w.asset_id = o.id AND w.state IN ('waiting', 'running')))
                 LIMIT 1) IS NOT TRUE
          ORDER BY coalesce(x.last_accessed_at, x.created_at) LIMIT p_limit) unused) due
    ORDER BY due.turn, due.since LIMIT p_limit
  $$;
RESET ROLE;
REVOKE CREATE ON SCHEMA media FROM media_across;

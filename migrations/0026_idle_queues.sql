-- Which queues are idle is asked every five seconds, and costs the same however much waits and has been done: it sorted all that waits,
-- and read all that was ever claimed, just where workers are away and much waits.
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
RESET ROLE;
REVOKE CREATE ON SCHEMA media FROM media_across;

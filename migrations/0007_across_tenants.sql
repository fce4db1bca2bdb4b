-- The few acts that must see across tenants. Each function is narrow, has a fixed search_path, returns ids and a tenant
-- and never content, belongs to media_across and is granted to one login role.
-- pg_temp stands last in each path: left out it would be searched first, and a caller's temporary type named uuid would be
-- read, and its CHECK run, with the rights of media_across.
GRANT SELECT, UPDATE ON media.work TO media_across;
GRANT SELECT, DELETE ON media.outbox TO media_across;
GRANT SELECT, INSERT, DELETE ON media.inbox TO media_across;
GRANT SELECT ON media.uploads, media.blobs, media.output_uploads TO media_across;
CREATE POLICY across ON media.work TO media_across USING (true) WITH CHECK (true);
CREATE POLICY across ON media.outbox TO media_across USING (true) WITH CHECK (true);
CREATE POLICY across ON media.uploads FOR SELECT TO media_across USING (true);
CREATE POLICY across ON media.blobs FOR SELECT TO media_across USING (true);
CREATE POLICY across ON media.output_uploads FOR SELECT TO media_across USING (true);

-- Admits the message to the inbox and leases the next piece of work: the tenant with the fewest running first, then
-- priority, then rank, then age. No row where nothing waits or the message was handled before.
CREATE FUNCTION media.claim(p_queue text, p_owner text, p_lease_seconds double precision, p_message uuid)
  RETURNS TABLE (work_id uuid, tenant_id uuid, attempt int)
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, media, pg_temp
  AS $$
#variable_conflict use_column
BEGIN
  IF p_message IS NOT NULL THEN
    INSERT INTO media.inbox (consumer, message_id) VALUES ('media-' || p_queue, p_message) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
      RETURN;
    END IF;
  END IF;
  RETURN QUERY
    WITH running AS (
      SELECT w.tenant_id, count(*) AS leases FROM media.work w
      WHERE w.queue = p_queue AND w.state = 'running' GROUP BY w.tenant_id
    ), next AS (
      SELECT w.id FROM media.work w LEFT JOIN running r ON r.tenant_id = w.tenant_id
      WHERE w.queue = p_queue AND w.state = 'waiting' AND w.not_before <= clock_timestamp()
      ORDER BY coalesce(r.leases, 0), w.priority, w.rank, w.created_at, w.id
      LIMIT 1 FOR UPDATE OF w SKIP LOCKED
    )
    UPDATE media.work w
    SET state = 'running', attempts = w.attempts + 1, lease_owner = p_owner,
        lease_until = clock_timestamp() + make_interval(secs => p_lease_seconds),
        started_at = coalesce(w.started_at, clock_timestamp()), claimed_at = clock_timestamp()
    FROM next WHERE w.id = next.id
    RETURNING w.id::uuid, w.tenant_id, w.attempts;
END
$$;

CREATE FUNCTION media.claim_scan(p_owner text, p_lease_seconds double precision, p_message uuid)
  RETURNS TABLE (work_id uuid, tenant_id uuid, attempt int)
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, media, pg_temp
  AS $$ SELECT * FROM media.claim('scan', p_owner, p_lease_seconds, p_message) $$;
CREATE FUNCTION media.claim_transcode(p_owner text, p_lease_seconds double precision, p_message uuid)
  RETURNS TABLE (work_id uuid, tenant_id uuid, attempt int)
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, media, pg_temp
  AS $$ SELECT * FROM media.claim('transcode', p_owner, p_lease_seconds, p_message) $$;
CREATE FUNCTION media.claim_caption(p_owner text, p_lease_seconds double precision, p_message uuid)
  RETURNS TABLE (work_id uuid, tenant_id uuid, attempt int)
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, media, pg_temp
  AS $$ SELECT * FROM media.claim('caption', p_owner, p_lease_seconds, p_message) $$;

-- For the relay: what waits in one partition, in order. It reads the content tenant by tenant.
CREATE FUNCTION media.outbox_pending(p_part smallint, p_limit int)
  RETURNS TABLE (seq bigint, tenant_id uuid)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, media, pg_temp
  AS $$
    SELECT o.seq, o.tenant_id FROM media.outbox o
    WHERE o.part = p_part AND o.published_at IS NULL ORDER BY o.seq LIMIT p_limit
  $$;
CREATE FUNCTION media.outbox_waiting_parts()
  RETURNS TABLE (part smallint)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, media, pg_temp
  AS $$ SELECT DISTINCT o.part FROM media.outbox o WHERE o.published_at IS NULL $$;

-- For the janitor.
CREATE FUNCTION media.expired_leases(p_limit int)
  RETURNS TABLE (work_id uuid, tenant_id uuid, attempt int)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, media, pg_temp
  AS $$
    SELECT w.id::uuid, w.tenant_id, w.attempts FROM media.work w
    WHERE w.state = 'running' AND w.lease_until < clock_timestamp() ORDER BY w.lease_until LIMIT p_limit
  $$;
-- Queues in which work waits while none was claimed for p_idle_seconds, each with one waiting row to name in a command.
CREATE FUNCTION media.idle_queues(p_idle_seconds double precision)
  RETURNS TABLE (queue text, work_id uuid, tenant_id uuid)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, media, pg_temp
  AS $$
    SELECT DISTINCT ON (w.queue) w.queue, w.id::uuid, w.tenant_id FROM media.work w
    WHERE w.state = 'waiting' AND w.not_before < clock_timestamp() - make_interval(secs => p_idle_seconds)
      AND NOT EXISTS (
        SELECT FROM media.work r WHERE r.queue = w.queue
          AND r.claimed_at > clock_timestamp() - make_interval(secs => p_idle_seconds))
      -- Nor was the queue asked in that time: workers that are busy, or not there yet, need not be told again and again.
      AND NOT EXISTS (
        SELECT FROM media.outbox o WHERE o.kind = 'command' AND o.routing_key = 'media.' || w.queue
          AND o.created_at > clock_timestamp() - make_interval(secs => p_idle_seconds))
    ORDER BY w.queue, w.created_at
  $$;
CREATE FUNCTION media.unfinished_uploads(p_abandoned_seconds double precision, p_limit int)
  RETURNS TABLE (upload_id uuid, tenant_id uuid, asset_id uuid)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, media, pg_temp
  AS $$
    SELECT u.id::uuid, u.tenant_id, u.asset_id::uuid FROM media.uploads u
    WHERE u.state = 'aborting'
       OR (u.state = 'open' AND u.created_at < clock_timestamp() - make_interval(secs => p_abandoned_seconds))
    ORDER BY u.created_at LIMIT p_limit
  $$;
CREATE FUNCTION media.doomed_blobs(p_limit int)
  RETURNS TABLE (tenant_id uuid, bucket text, key text)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, media, pg_temp
  AS $$
    SELECT b.tenant_id, b.bucket, b.key FROM media.blobs b
    WHERE b.doomed_at < clock_timestamp() ORDER BY b.doomed_at LIMIT p_limit
  $$;
-- Upload ids of attempts that are over, whose parts may still be in the bucket. A running attempt's own are left alone.
CREATE FUNCTION media.stale_output_uploads(p_limit int)
  RETURNS TABLE (tenant_id uuid, work_id uuid)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, media, pg_temp
  AS $$
    SELECT DISTINCT u.tenant_id, u.work_id::uuid FROM media.output_uploads u JOIN media.work w ON w.id = u.work_id
    WHERE w.state IN ('succeeded', 'failed', 'cancelled') LIMIT p_limit
  $$;
CREATE FUNCTION media.prune_outbox(p_keep_seconds double precision, p_limit int) RETURNS bigint
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, media, pg_temp
  AS $$
    WITH gone AS (
      DELETE FROM media.outbox WHERE seq IN (
        SELECT o.seq FROM media.outbox o
        WHERE o.published_at < clock_timestamp() - make_interval(secs => p_keep_seconds) ORDER BY o.published_at LIMIT p_limit)
      RETURNING 1)
    SELECT count(*) FROM gone
  $$;
CREATE FUNCTION media.prune_inbox(p_keep_seconds double precision, p_limit int) RETURNS bigint
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, media, pg_temp
  AS $$
    WITH gone AS (
      DELETE FROM media.inbox WHERE (consumer, message_id) IN (
        SELECT i.consumer, i.message_id FROM media.inbox i
        WHERE i.received_at < clock_timestamp() - make_interval(secs => p_keep_seconds) ORDER BY i.received_at LIMIT p_limit)
      RETURNING 1)
    SELECT count(*) FROM gone
  $$;

DO $own$
DECLARE
  fn record;
BEGIN
  -- To be given a function, its new owner must be allowed to create in the schema; for this moment only.
  GRANT CREATE ON SCHEMA media TO media_across;
  FOR fn IN
    SELECT p.oid::regprocedure AS name FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = 'media' AND p.prosecdef
  LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', fn.name);
    EXECUTE format('ALTER FUNCTION %s OWNER TO media_across', fn.name);
  END LOOP;
  REVOKE CREATE ON SCHEMA media FROM media_across;
END
$own$;
GRANT EXECUTE ON FUNCTION media.claim_scan(text, double precision, uuid) TO media_scanner;
GRANT EXECUTE ON FUNCTION media.claim_transcode(text, double precision, uuid) TO media_transcoder;
GRANT EXECUTE ON FUNCTION media.claim_caption(text, double precision, uuid) TO media_captioner;
GRANT EXECUTE ON FUNCTION media.outbox_pending(smallint, int), media.outbox_waiting_parts() TO media_relay;
GRANT EXECUTE ON FUNCTION
  media.expired_leases(int), media.idle_queues(double precision), media.unfinished_uploads(double precision, int),
  media.doomed_blobs(int), media.stale_output_uploads(int), media.prune_outbox(double precision, int), media.prune_inbox(double precision, int)
  TO media_janitor;

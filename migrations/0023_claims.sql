-- A claim costs by the tenants that wait, and no longer by all the work that does: of a million pieces it sorted a million.
SET LOCAL lock_timeout = '10s';

CREATE INDEX work_waiting_of_tenant ON media.work (queue, tenant_id, priority, rank, created_at, id) WHERE state = 'waiting';

CREATE OR REPLACE FUNCTION media.schema_version() RETURNS bigint
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  SET search_path = pg_catalog, pg_temp
  AS $$ SELECT 23::bigint $$;

-- As in 0007, to replace what is its own, media_across must be allowed to create in the schema; for this moment only.
GRANT CREATE ON SCHEMA media TO media_across;
SET LOCAL ROLE media_across;
CREATE OR REPLACE FUNCTION media.claim(p_queue text, p_owner text, p_lease_seconds double precision, p_message uuid)
  RETURNS TABLE (work_id uuid, tenant_id uuid, attempt int)
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, media, pg_temp
  AS $$
#variable_conflict use_column
DECLARE
  v_first uuid;
  v_work uuid;
BEGIN
  IF p_message IS NOT NULL THEN
    INSERT INTO media.inbox (consumer, message_id) VALUES ('media-' || p_queue, p_message) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
      RETURN;
    END IF;
  END IF;
  -- The tenants that wait, each found behind the one before, and of each what comes first; in the order in which they are served.
  FOR v_first IN
    WITH RECURSIVE waiting AS (
      (SELECT w.tenant_id FROM media.work w WHERE w.queue = p_queue AND w.state = 'waiting' ORDER BY w.tenant_id LIMIT 1)
      UNION ALL
      SELECT (
        SELECT w.tenant_id FROM media.work w
        WHERE w.queue = p_queue AND w.state = 'waiting' AND w.tenant_id > t.tenant_id ORDER BY w.tenant_id LIMIT 1)
      FROM waiting t WHERE t.tenant_id IS NOT NULL
    ), running AS (
      SELECT w.tenant_id, count(*) AS leases FROM media.work w
      WHERE w.queue = p_queue AND w.state = 'running' GROUP BY w.tenant_id
    )
    SELECT first.id
    FROM waiting t
      CROSS JOIN LATERAL (
        SELECT w.priority, w.rank, w.created_at, w.id FROM media.work w
        WHERE w.queue = p_queue AND w.state = 'waiting' AND w.tenant_id = t.tenant_id AND w.not_before <= clock_timestamp()
        ORDER BY w.priority, w.rank, w.created_at, w.id LIMIT 1) first
      LEFT JOIN running r ON r.tenant_id = t.tenant_id
    ORDER BY coalesce(r.leases, 0), first.priority, first.rank, first.created_at, first.id
  LOOP
    SELECT w.id INTO v_work FROM media.work w WHERE w.id = v_first AND w.state = 'waiting' FOR UPDATE SKIP LOCKED;
    EXIT WHEN FOUND;
  END LOOP;
  IF v_work IS NULL THEN
    -- Others are just taking the first of each tenant: then what comes first of the rest.
    SELECT w.id INTO v_work FROM media.work w
    WHERE w.queue = p_queue AND w.state = 'waiting' AND w.not_before <= clock_timestamp()
    ORDER BY w.priority, w.rank, w.created_at LIMIT 1 FOR UPDATE SKIP LOCKED;
  END IF;
  RETURN QUERY
    UPDATE media.work w
    SET state = 'running', attempts = w.attempts + 1, lease_owner = p_owner,
        lease_until = clock_timestamp() + make_interval(secs => p_lease_seconds),
        started_at = coalesce(w.started_at, clock_timestamp()), claimed_at = clock_timestamp()
    WHERE w.id = v_work
    RETURNING w.id::uuid, w.tenant_id, w.attempts;
END
$$;
RESET ROLE;
REVOKE CREATE ON SCHEMA media FROM media_across;

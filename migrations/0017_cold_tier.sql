-- Originals that nobody uses go to a cheaper storage class, and come back when they are asked for.

SET LOCAL lock_timeout = '10s';

ALTER TABLE media.assets
  ADD COLUMN last_accessed_at timestamptz,
  ADD COLUMN archived_at timestamptz;
COMMENT ON COLUMN media.assets.last_accessed_at IS 'When it was last played, downloaded, or had something made of it; written at most once a day.';
COMMENT ON COLUMN media.assets.archived_at IS 'When its original went to the cold tier. What is so now, its row in blobs says.';
CREATE INDEX assets_unused ON media.assets (tenant_id, (coalesce(last_accessed_at, created_at)))
  WHERE status = 'ready' AND deleted_at IS NULL AND archived_at IS NULL;

-- One object, one place: also where several assets name it.
ALTER TABLE media.blobs
  ADD COLUMN archive_state text CHECK (archive_state IN ('archiving','archived','restoring','available')),
  ADD COLUMN archive_class text,
  ADD COLUMN archive_changed_at timestamptz,
  ADD COLUMN archive_looked_at timestamptz,
  ADD COLUMN restore_days int CHECK (restore_days BETWEEN 1 AND 90),
  ADD COLUMN available_until timestamptz,
  ADD CONSTRAINT blobs_archive CHECK (archive_state IS NULL OR (archive_class IS NOT NULL AND archive_changed_at IS NOT NULL));
COMMENT ON COLUMN media.blobs.archive_state IS 'NULL: where it was uploaded to. archiving: a janitor has it in hand, and nobody may begin to read it.';
COMMENT ON COLUMN media.blobs.archive_changed_at IS 'When the state changed. A janitor that has had it in hand for an hour since is taken for lost.';
COMMENT ON COLUMN media.blobs.archive_looked_at IS 'When the store was last asked how far a restore is.';
COMMENT ON COLUMN media.blobs.restore_days IS 'For how long it is asked back; NULL once the store was told.';
CREATE INDEX blobs_archives ON media.blobs (archive_looked_at) WHERE archive_state IN ('archiving','restoring','available');

-- Where the original of an asset stands, for whoever reads the asset; NULL: where it was uploaded to.
CREATE FUNCTION media.archive_of(p_bucket text, p_key text) RETURNS jsonb
  LANGUAGE sql STABLE
  SET search_path = pg_catalog, media, pg_temp
  AS $$
    SELECT jsonb_build_object('state', b.archive_state, 'class', b.archive_class,
      'available_until', to_char(b.available_until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
    FROM media.blobs b WHERE b.bucket = p_bucket AND b.key = p_key AND b.archive_state IS NOT NULL
  $$;
REVOKE ALL ON FUNCTION media.archive_of(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION media.archive_of(text, text) TO media_api, media_scanner, media_transcoder, media_captioner, media_janitor;

-- For the janitor: originals that no asset which names them has used for its tenant's days, tenant by tenant in turn.
CREATE FUNCTION media.cold_originals(p_default_days int, p_limit int)
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
        SELECT x.bucket, x.key, min(coalesce(x.last_accessed_at, x.created_at)) AS since,
          row_number() OVER (ORDER BY min(coalesce(x.last_accessed_at, x.created_at)), x.key) AS turn
        FROM media.assets x JOIN media.blobs b ON b.bucket = x.bucket AND b.key = x.key AND b.tenant_id = t.id
        WHERE x.tenant_id = t.id AND x.status = 'ready' AND x.deleted_at IS NULL AND x.archived_at IS NULL
          AND coalesce(x.last_accessed_at, x.created_at) <= cold.since AND b.doomed_at IS NULL AND b.archive_state IS NULL
          AND NOT EXISTS (
            SELECT FROM media.assets o WHERE o.tenant_id = t.id AND o.key = x.key AND o.bucket = x.bucket
              AND (o.status <> 'ready' OR o.deleted_at IS NOT NULL OR coalesce(o.last_accessed_at, o.created_at) > cold.since
                OR EXISTS (SELECT FROM media.work w WHERE w.asset_id = o.id AND w.state IN ('waiting', 'running'))))
        GROUP BY x.bucket, x.key ORDER BY since, x.key LIMIT p_limit) due
    ORDER BY due.turn, due.since LIMIT p_limit
  $$;

-- For the janitor: what a lost one had in hand, what is to be asked of the store, and what it was asked longer than p_every_seconds ago.
CREATE FUNCTION media.unsettled_archives(p_lost_seconds double precision, p_every_seconds double precision, p_limit int)
  RETURNS TABLE (tenant_id uuid, bucket text, key text)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, media, pg_temp
  AS $$
    SELECT b.tenant_id, b.bucket, b.key FROM media.blobs b
    WHERE CASE b.archive_state
      WHEN 'archiving' THEN b.archive_changed_at < clock_timestamp() - make_interval(secs => p_lost_seconds)
      WHEN 'restoring' THEN coalesce(b.archive_looked_at < clock_timestamp() - make_interval(secs => p_every_seconds), true)
      WHEN 'available' THEN b.available_until < clock_timestamp() OR b.restore_days IS NOT NULL
    END AND b.archive_state IN ('archiving', 'restoring', 'available')
    ORDER BY b.archive_looked_at NULLS FIRST LIMIT p_limit
  $$;

DO $own$
DECLARE
  fn regprocedure;
BEGIN
  -- As in 0007: to be given a function, its new owner must be allowed to create in the schema; for this moment only.
  GRANT CREATE ON SCHEMA media TO media_across;
  FOREACH fn IN ARRAY ARRAY['media.cold_originals(int, int)'::regprocedure,
    'media.unsettled_archives(double precision, double precision, int)'::regprocedure]
  LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', fn);
    EXECUTE format('ALTER FUNCTION %s OWNER TO media_across', fn);
  END LOOP;
  REVOKE CREATE ON SCHEMA media FROM media_across;
END
$own$;
GRANT EXECUTE ON FUNCTION media.cold_originals(int, int), media.unsettled_archives(double precision, double precision, int) TO media_janitor;

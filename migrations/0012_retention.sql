-- How long assets are kept, by whose wish, and how much of a tenant may be stored.
--
-- Who locks several rows does it in this order: the asset, its work, its upload and blobs, the tenant's usage, the tenant's
-- policy. After the usage is locked a transaction takes only rows that it holds already or has made itself.

-- What a tenant wants to be otherwise; a column that is NULL, and a row that is not there, are the defaults (domain::policy).
CREATE TABLE media.tenant_policies (
  tenant_id uuid PRIMARY KEY,
  etag bigint NOT NULL DEFAULT 1,
  operational_days int CHECK (operational_days BETWEEN 1 AND 36500),
  ai_generated_days int CHECK (ai_generated_days BETWEEN 1 AND 36500),
  grace_days int CHECK (grace_days BETWEEN 0 AND 3650),
  archive_after_days int CHECK (archive_after_days BETWEEN 1 AND 36500),
  quota_bytes bigint CHECK (quota_bytes >= 1),
  max_bytes jsonb,
  captions text CHECK (captions IN ('automatic', 'on_request', 'off')),
  caption_visibility text CHECK (caption_visibility IN ('approved', 'all')),
  caption_languages text[],
  updated_at timestamptz NOT NULL DEFAULT now(),
  updated_by text,
  applied_etag bigint NOT NULL DEFAULT 0,
  applied_to_id media.ulid
);
CREATE INDEX tenant_policies_to_apply ON media.tenant_policies (updated_at) WHERE etag <> applied_etag;
COMMENT ON COLUMN media.tenant_policies.max_bytes IS 'By kind, the most bytes of an original: {"video": 1000}. It can only lower the service''s own limit.';
COMMENT ON COLUMN media.tenant_policies.captions IS 'Whether speech is written down of itself, for those who ask, or never.';
COMMENT ON COLUMN media.tenant_policies.applied_etag IS 'The version by which every asset''s retention_until has been reckoned; the janitor brings it up to etag.';
COMMENT ON COLUMN media.tenant_policies.applied_to_id IS 'The last asset, by id, that the janitor has come to on its way to etag.';

-- What counts against the quota. Written by triggers alone, but for the warning and the number of its event.
CREATE TABLE media.tenant_usage (
  tenant_id uuid PRIMARY KEY,
  used_bytes bigint NOT NULL DEFAULT 0 CHECK (used_bytes >= 0),
  reserved_bytes bigint NOT NULL DEFAULT 0 CHECK (reserved_bytes >= 0),
  warned_percent smallint NOT NULL DEFAULT 0 CHECK (warned_percent IN (0, 80, 95)),
  last_sequence bigint NOT NULL DEFAULT 0
);
COMMENT ON COLUMN media.tenant_usage.used_bytes IS 'Of originals that are stored and not doomed, each object once.';
COMMENT ON COLUMN media.tenant_usage.reserved_bytes IS 'Of uploads that are open.';
COMMENT ON COLUMN media.tenant_usage.warned_percent IS 'The highest step of the quota of which was told since it was reached; falls when the sum falls below it.';
COMMENT ON COLUMN media.tenant_usage.last_sequence IS 'Number of the last event of the tenant itself.';

CREATE TABLE media.asset_references (
  tenant_id uuid NOT NULL,
  bundle_id text NOT NULL CHECK (octet_length(bundle_id) BETWEEN 1 AND 200),
  asset_id media.ulid NOT NULL,
  expires_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, bundle_id, asset_id),
  FOREIGN KEY (tenant_id, asset_id) REFERENCES media.assets (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX asset_references_by_asset ON media.asset_references (tenant_id, asset_id, bundle_id);
CREATE INDEX asset_references_ended ON media.asset_references (tenant_id, expires_at) WHERE expires_at IS NOT NULL;
COMMENT ON TABLE media.asset_references IS 'Which bundle needs which asset; live until expires_at, or until it is removed.';

CREATE TABLE media.asset_holds (
  id media.ulid PRIMARY KEY,
  tenant_id uuid NOT NULL,
  asset_id media.ulid NOT NULL,
  reason text NOT NULL,
  placed_by text NOT NULL,
  placed_at timestamptz NOT NULL DEFAULT now(),
  released_by text,
  released_at timestamptz,
  FOREIGN KEY (tenant_id, asset_id) REFERENCES media.assets (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX asset_holds_standing ON media.asset_holds (tenant_id, asset_id) WHERE released_at IS NULL;
CREATE INDEX asset_holds_by_asset ON media.asset_holds (tenant_id, asset_id);
COMMENT ON TABLE media.asset_holds IS 'What keeps an asset from every deletion. A hold that was released stays, as long as the asset, as the record of it.';

ALTER TABLE media.assets
  ADD COLUMN last_reference_ended_at timestamptz,
  ADD COLUMN undeleted_at timestamptz;
COMMENT ON COLUMN media.assets.last_reference_ended_at IS 'When the last of those references ended that are over; NULL: none ever did.';
COMMENT ON COLUMN media.assets.undeleted_at IS 'When it was last brought back: the days of its class count from then at the earliest.';
COMMENT ON COLUMN media.assets.retention_until IS 'What domain::retention makes of class, policy and references; written whenever one of them changes.';
CREATE INDEX assets_retention ON media.assets (tenant_id, retention_until) WHERE deleted_at IS NULL AND retention_until IS NOT NULL;
CREATE INDEX assets_grace ON media.assets (tenant_id, deleted_at) WHERE deleted_at IS NOT NULL;
-- Who else names an object is asked before it is doomed.
CREATE INDEX assets_by_key ON media.assets (tenant_id, key);
CREATE INDEX variants_by_key ON media.variants (tenant_id, key);
CREATE INDEX caption_tracks_by_key ON media.caption_tracks (tenant_id, key);
CREATE INDEX caption_tracks_by_version_key ON media.caption_tracks (tenant_id, version_key);

ALTER TABLE media.outbox ADD COLUMN aggregate text NOT NULL DEFAULT 'asset' CHECK (aggregate IN ('asset', 'tenant'));
COMMENT ON COLUMN media.outbox.aggregate IS 'What aggregate_id is the id of, and so how the event''s subject is written: a ULID, or the tenant''s UUID.';

CREATE FUNCTION media.count_reserved() RETURNS trigger
  LANGUAGE plpgsql
  SET search_path = pg_catalog, media, pg_temp
  AS $$
DECLARE
  tenant uuid;
  more bigint := 0;
BEGIN
  IF TG_OP <> 'INSERT' THEN
    tenant := OLD.tenant_id;
    more := more - CASE WHEN OLD.state = 'open' THEN OLD.size_bytes ELSE 0 END;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    tenant := NEW.tenant_id;
    more := more + CASE WHEN NEW.state = 'open' THEN NEW.size_bytes ELSE 0 END;
  END IF;
  IF more <> 0 THEN
    UPDATE media.tenant_usage SET reserved_bytes = reserved_bytes + more WHERE tenant_id = tenant;
    IF NOT FOUND THEN
      INSERT INTO media.tenant_usage AS u (tenant_id, reserved_bytes) VALUES (tenant, more)
        ON CONFLICT (tenant_id) DO UPDATE SET reserved_bytes = u.reserved_bytes + excluded.reserved_bytes;
    END IF;
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER uploads_count AFTER INSERT OR UPDATE OF state, size_bytes OR DELETE ON media.uploads
  FOR EACH ROW EXECUTE FUNCTION media.count_reserved();

-- An original is known by its key (blobs::keys): also one in quarantine, and one that a scan moved out of it.
CREATE FUNCTION media.is_original(key text) RETURNS boolean
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  SET search_path = pg_catalog, pg_temp
  AS $$ SELECT key ~ '^tenants/[^/]+/media/[^/]+/original([.][^/]+)?$' $$;

CREATE FUNCTION media.count_used() RETURNS trigger
  LANGUAGE plpgsql
  SET search_path = pg_catalog, media, pg_temp
  AS $$
DECLARE
  tenant uuid;
  more bigint := 0;
BEGIN
  IF TG_OP <> 'INSERT' THEN
    tenant := OLD.tenant_id;
    more := more - CASE WHEN OLD.doomed_at IS NULL AND media.is_original(OLD.key) THEN coalesce(OLD.size_bytes, 0) ELSE 0 END;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    tenant := NEW.tenant_id;
    more := more + CASE WHEN NEW.doomed_at IS NULL AND media.is_original(NEW.key) THEN coalesce(NEW.size_bytes, 0) ELSE 0 END;
  END IF;
  IF more <> 0 THEN
    UPDATE media.tenant_usage SET used_bytes = used_bytes + more WHERE tenant_id = tenant;
    IF NOT FOUND THEN
      INSERT INTO media.tenant_usage AS u (tenant_id, used_bytes) VALUES (tenant, more)
        ON CONFLICT (tenant_id) DO UPDATE SET used_bytes = u.used_bytes + excluded.used_bytes;
    END IF;
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER blobs_count AFTER INSERT OR UPDATE OF doomed_at, size_bytes OR DELETE ON media.blobs
  FOR EACH ROW EXECUTE FUNCTION media.count_used();

-- Below a step again, the next crossing is told anew. At the end of the transaction: on its way an upload that becomes an
-- object is for a moment neither reserved nor used.
CREATE FUNCTION media.lower_warning() RETURNS trigger
  LANGUAGE plpgsql
  SET search_path = pg_catalog, media, pg_temp
  AS $$
DECLARE
  quota numeric;
BEGIN
  SELECT p.quota_bytes INTO quota FROM media.tenant_policies p WHERE p.tenant_id = NEW.tenant_id;
  UPDATE media.tenant_usage u SET warned_percent = CASE
      WHEN quota IS NULL OR (u.used_bytes + u.reserved_bytes) * 100.0 < quota * 80 THEN 0
      WHEN (u.used_bytes + u.reserved_bytes) * 100.0 < quota * 95 THEN least(u.warned_percent, 80)
      ELSE u.warned_percent END
    WHERE u.tenant_id = NEW.tenant_id AND u.warned_percent > 0;
  RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER usage_lowers_warning AFTER UPDATE ON media.tenant_usage
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  WHEN (NEW.warned_percent > 0 AND NEW.used_bytes + NEW.reserved_bytes < OLD.used_bytes + OLD.reserved_bytes)
  EXECUTE FUNCTION media.lower_warning();

GRANT SELECT ON media.assets, media.asset_references, media.asset_holds, media.tenant_policies TO media_across;
CREATE POLICY across ON media.assets FOR SELECT TO media_across USING (true);
CREATE POLICY across ON media.asset_references FOR SELECT TO media_across USING (true);
CREATE POLICY across ON media.asset_holds FOR SELECT TO media_across USING (true);
CREATE POLICY across ON media.tenant_policies FOR SELECT TO media_across USING (true);

-- What is there already is counted, and its retention is left to the janitor: a row in which all is as by default, not yet applied.
DO $backfill$
BEGIN
  GRANT INSERT ON media.tenant_usage, media.tenant_policies TO media_across;
  SET LOCAL ROLE media_across;
  INSERT INTO media.tenant_usage (tenant_id, used_bytes, reserved_bytes)
    SELECT tenant_id, sum(used)::bigint, sum(reserved)::bigint FROM (
      SELECT tenant_id, coalesce(size_bytes, 0) AS used, 0 AS reserved FROM media.blobs
        WHERE doomed_at IS NULL AND media.is_original(key)
      UNION ALL
      SELECT tenant_id, 0, size_bytes FROM media.uploads WHERE state = 'open') counted
    GROUP BY tenant_id;
  INSERT INTO media.tenant_policies (tenant_id) SELECT DISTINCT tenant_id FROM media.assets;
  RESET ROLE;
  REVOKE INSERT ON media.tenant_usage, media.tenant_policies FROM media_across;
END
$backfill$;

DO $rls$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['tenant_policies', 'tenant_usage', 'asset_references', 'asset_holds'] LOOP
    EXECUTE format('ALTER TABLE media.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE media.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY tenant ON media.%I
      USING (tenant_id = (SELECT media.current_tenant()))
      WITH CHECK (tenant_id = (SELECT media.current_tenant()))', name);
  END LOOP;
END
$rls$;

GRANT SELECT, INSERT, UPDATE ON media.tenant_policies TO media_api;
GRANT SELECT ON media.tenant_policies TO media_scanner, media_transcoder, media_captioner, media_janitor;
GRANT UPDATE (applied_etag, applied_to_id) ON media.tenant_policies TO media_janitor;
-- Whoever writes uploads and originals counts them.
GRANT SELECT, INSERT, UPDATE ON media.tenant_usage TO media_api, media_scanner, media_janitor;
GRANT SELECT, INSERT, UPDATE, DELETE ON media.asset_references TO media_api;
GRANT SELECT, DELETE ON media.asset_references TO media_janitor;
GRANT SELECT, INSERT, UPDATE ON media.asset_holds TO media_api;
GRANT SELECT ON media.asset_holds TO media_janitor;
GRANT DELETE ON media.assets TO media_janitor;
GRANT SELECT ON media.caption_tracks TO media_janitor;

-- The janitor's view across tenants: each function takes the tenants in turn, so that one with much to sweep keeps no other
-- waiting. Tenants are found by skipping through the index, one probe each.

-- Assets with a reference that is over and still has its row.
CREATE FUNCTION media.ended_references(p_limit int)
  RETURNS TABLE (tenant_id uuid, asset_id uuid)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, media, pg_temp
  AS $$
    WITH RECURSIVE tenants AS (
      (SELECT x.tenant_id AS id FROM media.asset_references x WHERE x.expires_at IS NOT NULL ORDER BY x.tenant_id LIMIT 1)
      UNION ALL
      SELECT (SELECT x.tenant_id FROM media.asset_references x
              WHERE x.expires_at IS NOT NULL AND x.tenant_id > t.id ORDER BY x.tenant_id LIMIT 1)
      FROM tenants t WHERE t.id IS NOT NULL
    )
    SELECT t.id, due.asset_id::uuid FROM tenants t CROSS JOIN LATERAL (
      SELECT r.asset_id, min(r.expires_at) AS since, row_number() OVER (ORDER BY min(r.expires_at), r.asset_id) AS turn
      FROM (SELECT x.asset_id, x.expires_at FROM media.asset_references x
            WHERE x.tenant_id = t.id AND x.expires_at <= now() ORDER BY x.expires_at LIMIT p_limit) r
      GROUP BY r.asset_id) due
    ORDER BY due.turn, due.since LIMIT p_limit
  $$;

-- Assets whose retention is over, but for those that are held.
CREATE FUNCTION media.ended_retention(p_limit int)
  RETURNS TABLE (tenant_id uuid, asset_id uuid)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, media, pg_temp
  AS $$
    WITH RECURSIVE tenants AS (
      (SELECT x.tenant_id AS id FROM media.assets x
       WHERE x.deleted_at IS NULL AND x.retention_until IS NOT NULL ORDER BY x.tenant_id LIMIT 1)
      UNION ALL
      SELECT (SELECT x.tenant_id FROM media.assets x
              WHERE x.deleted_at IS NULL AND x.retention_until IS NOT NULL AND x.tenant_id > t.id ORDER BY x.tenant_id LIMIT 1)
      FROM tenants t WHERE t.id IS NOT NULL
    )
    SELECT t.id, due.id::uuid FROM tenants t CROSS JOIN LATERAL (
      SELECT x.id, x.retention_until AS since, row_number() OVER (ORDER BY x.retention_until, x.id) AS turn FROM media.assets x
      WHERE x.tenant_id = t.id AND x.deleted_at IS NULL AND x.retention_until <= now()
        AND NOT EXISTS (SELECT FROM media.asset_holds h WHERE h.tenant_id = t.id AND h.asset_id = x.id AND h.released_at IS NULL)
      ORDER BY x.retention_until, x.id LIMIT p_limit) due
    ORDER BY due.turn, due.since LIMIT p_limit
  $$;

-- Assets that were deleted longer ago than their tenant's grace, but for those that are held.
CREATE FUNCTION media.ended_grace(p_default_days int, p_limit int)
  RETURNS TABLE (tenant_id uuid, asset_id uuid)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, media, pg_temp
  AS $$
    WITH RECURSIVE tenants AS (
      (SELECT x.tenant_id AS id FROM media.assets x WHERE x.deleted_at IS NOT NULL ORDER BY x.tenant_id LIMIT 1)
      UNION ALL
      SELECT (SELECT x.tenant_id FROM media.assets x
              WHERE x.deleted_at IS NOT NULL AND x.tenant_id > t.id ORDER BY x.tenant_id LIMIT 1)
      FROM tenants t WHERE t.id IS NOT NULL
    )
    SELECT t.id, due.id::uuid FROM tenants t
      LEFT JOIN media.tenant_policies p ON p.tenant_id = t.id
      CROSS JOIN LATERAL (
        SELECT x.id, x.deleted_at AS since, row_number() OVER (ORDER BY x.deleted_at, x.id) AS turn FROM media.assets x
        WHERE x.tenant_id = t.id AND x.deleted_at <= now() - make_interval(days => coalesce(p.grace_days, p_default_days))
          AND NOT EXISTS (SELECT FROM media.asset_holds h WHERE h.tenant_id = t.id AND h.asset_id = x.id AND h.released_at IS NULL)
        ORDER BY x.deleted_at, x.id LIMIT p_limit) due
    ORDER BY due.turn, due.since LIMIT p_limit
  $$;

-- Tenants whose assets do not follow their policy yet.
CREATE FUNCTION media.changed_policies(p_limit int)
  RETURNS TABLE (tenant_id uuid)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, media, pg_temp
  AS $$
    SELECT p.tenant_id FROM media.tenant_policies p WHERE p.etag <> p.applied_etag ORDER BY p.updated_at LIMIT p_limit
  $$;

DO $own$
DECLARE
  fn regprocedure;
BEGIN
  -- As in 0007: to be given a function, its new owner must be allowed to create in the schema; for this moment only.
  GRANT CREATE ON SCHEMA media TO media_across;
  FOREACH fn IN ARRAY ARRAY['media.ended_references(int)'::regprocedure, 'media.ended_retention(int)'::regprocedure,
    'media.ended_grace(int, int)'::regprocedure, 'media.changed_policies(int)'::regprocedure]
  LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', fn);
    EXECUTE format('ALTER FUNCTION %s OWNER TO media_across', fn);
  END LOOP;
  REVOKE CREATE ON SCHEMA media FROM media_across;
END
$own$;
GRANT EXECUTE ON FUNCTION media.ended_references(int), media.ended_retention(int), media.ended_grace(int, int), media.changed_policies(int)
  TO media_janitor;

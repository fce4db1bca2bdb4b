-- What a person, or a tenant, left here goes when it is asked for. What stays of it is a receipt, which names nobody.

SET LOCAL lock_timeout = '10s';

CREATE TABLE media.erasures (
  id media.ulid PRIMARY KEY,
  tenant_id uuid NOT NULL,
  scope text NOT NULL CHECK (scope IN ('owner', 'tenant')),
  owner_user_id media.ulid,
  owner_sha256 bytea CHECK (octet_length(owner_sha256) = 32),
  state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done')),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  told_at timestamptz,
  finished_at timestamptz,
  UNIQUE (tenant_id, id),
  CHECK ((scope = 'owner') = (owner_sha256 IS NOT NULL)),
  CHECK (owner_user_id IS NULL OR (scope = 'owner' AND state = 'running'))
);
CREATE INDEX erasures_running ON media.erasures (created_at) WHERE state = 'running';
COMMENT ON COLUMN media.erasures.owner_user_id IS 'Whose assets go; forgotten when it is done.';
COMMENT ON COLUMN media.erasures.owner_sha256 IS 'SHA-256 of the text `{tenant}/{owner}`: who knows both can tell that it was this one.';
COMMENT ON COLUMN media.erasures.told_at IS 'Of a tenant: when media.tenant.erased.v1 was written, after all of its assets.';

-- The receipt. Its rows have no name of a person or a file: keys are made of ids.
CREATE TABLE media.erasure_items (
  id media.ulid PRIMARY KEY,
  tenant_id uuid NOT NULL,
  erasure_id media.ulid NOT NULL,
  about media.ulid NOT NULL,
  bucket text NOT NULL DEFAULT '',
  key text NOT NULL DEFAULT '',
  outcome text NOT NULL CHECK (outcome IN ('pending', 'erased', 'anonymised', 'shared', 'held')),
  changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (tenant_id, erasure_id, about, bucket, key),
  FOREIGN KEY (tenant_id, erasure_id) REFERENCES media.erasures (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX erasure_items_page ON media.erasure_items (tenant_id, erasure_id, id);
COMMENT ON COLUMN media.erasure_items.about IS 'The asset, which is gone.';
COMMENT ON COLUMN media.erasure_items.key IS 'An object of the asset; empty: the asset itself.';
COMMENT ON COLUMN media.erasure_items.outcome IS 'shared: an object that an asset of somebody else names too. held: it goes when the last hold is released.';

DO $rls$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['erasures', 'erasure_items'] LOOP
    EXECUTE format('ALTER TABLE media.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE media.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY tenant ON media.%I
      USING (tenant_id = (SELECT media.current_tenant()))
      WITH CHECK (tenant_id = (SELECT media.current_tenant()))', name);
  END LOOP;
END
$rls$;
GRANT SELECT, INSERT ON media.erasures TO media_api;
GRANT SELECT ON media.erasure_items TO media_api;
GRANT SELECT, UPDATE ON media.erasures TO media_janitor;
GRANT SELECT, INSERT, UPDATE ON media.erasure_items TO media_janitor;

-- What an erased person did in other people's assets is kept without the person.
GRANT UPDATE (reviewed_by) ON media.caption_tracks TO media_janitor;
GRANT SELECT, UPDATE (decided_by) ON media.quarantine_decisions TO media_janitor;
GRANT UPDATE (placed_by, released_by) ON media.asset_holds TO media_janitor;
GRANT UPDATE (updated_by) ON media.tenant_policies TO media_janitor;
GRANT SELECT, UPDATE (prompt_ref) ON media.ai_media_artifacts TO media_janitor;
GRANT SELECT, DELETE ON media.request_ids TO media_janitor;
-- What a tenant leaves beside its assets.
GRANT DELETE ON media.tenant_policies, media.tenant_usage, media.quarantine_decisions, media.ai_media_artifacts TO media_janitor;
GRANT DELETE ON media.dead_letters TO media_janitor;
GRANT SELECT (tenant_id) ON media.dead_letters TO media_janitor;
GRANT SELECT, DELETE ON media.outbox TO media_janitor;
-- Events stay for as long as they can be replayed: those that name an erased person name nobody.
GRANT UPDATE (data) ON media.outbox TO media_janitor;

-- Provenance is never changed, but by an erasure, which takes out of it what leads to a person. Who may do that is media_across,
-- as which nobody can log in: inside the function below, and nowhere else.
CREATE OR REPLACE FUNCTION media.refuse_other_provenance() RETURNS trigger
  LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp
  AS $$
BEGIN
  IF OLD.ai_provenance IS NOT NULL AND NEW.ai_provenance IS DISTINCT FROM OLD.ai_provenance
    AND NOT (current_user = 'media_across' AND NEW.ai_provenance =
      (OLD.ai_provenance - ARRAY['prompt_id', 'prompt_version', 'decision_id']) || '{"trace_id": "erased"}')
  THEN
    RAISE EXCEPTION 'provenance is never changed' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END
$$;

GRANT SELECT (id, tenant_id, asset_id, ai_provenance) ON media.transcripts, media.caption_tracks TO media_across;
GRANT SELECT (id, tenant_id, output_asset_id, source_asset_id, ai_provenance) ON media.ai_media_artifacts TO media_across;
GRANT UPDATE (ai_provenance) ON media.assets, media.transcripts, media.caption_tracks, media.ai_media_artifacts TO media_across;
GRANT SELECT ON media.erasures TO media_across;
CREATE POLICY across ON media.erasures FOR SELECT TO media_across USING (true);

CREATE FUNCTION media.running_erasures(p_limit int)
  RETURNS TABLE (tenant_id uuid, erasure_id uuid)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, media, pg_temp
  AS $$
    SELECT e.tenant_id, e.id::uuid FROM media.erasures e WHERE e.state = 'running' ORDER BY e.created_at LIMIT p_limit
  $$;

-- Of one asset of the transaction's tenant, and of what was made of it.
CREATE FUNCTION media.anonymise_provenance(p_asset uuid) RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, media, pg_temp
  AS $$
DECLARE
  tenant uuid := media.current_tenant();
  link text[] := ARRAY['prompt_id', 'prompt_version', 'decision_id'];
  count bigint := 0;
  more bigint;
BEGIN
  UPDATE media.assets SET ai_provenance = (ai_provenance - link) || '{"trace_id": "erased"}'
    WHERE tenant_id = tenant AND id = p_asset AND ai_provenance IS NOT NULL;
  GET DIAGNOSTICS more = ROW_COUNT;
  count := count + more;
  UPDATE media.transcripts SET ai_provenance = (ai_provenance - link) || '{"trace_id": "erased"}'
    WHERE tenant_id = tenant AND asset_id = p_asset AND ai_provenance IS NOT NULL;
  GET DIAGNOSTICS more = ROW_COUNT;
  count := count + more;
  UPDATE media.caption_tracks SET ai_provenance = (ai_provenance - link) || '{"trace_id": "erased"}'
    WHERE tenant_id = tenant AND asset_id = p_asset AND ai_provenance IS NOT NULL;
  GET DIAGNOSTICS more = ROW_COUNT;
  count := count + more;
  UPDATE media.ai_media_artifacts SET ai_provenance = (ai_provenance - link) || '{"trace_id": "erased"}'
    WHERE tenant_id = tenant AND p_asset IN (output_asset_id, source_asset_id);
  GET DIAGNOSTICS more = ROW_COUNT;
  RETURN count + more;
END
$$;

DO $own$
DECLARE
  fn regprocedure;
BEGIN
  -- As in 0007: to be given a function, its new owner must be allowed to create in the schema; for this moment only.
  GRANT CREATE ON SCHEMA media TO media_across;
  FOREACH fn IN ARRAY ARRAY['media.running_erasures(int)'::regprocedure, 'media.anonymise_provenance(uuid)'::regprocedure]
  LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', fn);
    EXECUTE format('ALTER FUNCTION %s OWNER TO media_across', fn);
  END LOOP;
  REVOKE CREATE ON SCHEMA media FROM media_across;
END
$own$;
GRANT EXECUTE ON FUNCTION media.running_erasures(int), media.anonymise_provenance(uuid) TO media_janitor;

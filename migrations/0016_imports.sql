-- Assets that are fetched from elsewhere, by the scanner, under a lease.
SET LOCAL lock_timeout = '10s';

-- A row for each import that is under way. What it has of the tenant's quota is counted as an upload's is.
CREATE TABLE media.imports (
  tenant_id uuid NOT NULL,
  asset_id media.ulid NOT NULL,
  reserved_bytes bigint NOT NULL DEFAULT 0 CHECK (reserved_bytes >= 0),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (tenant_id, asset_id),
  FOREIGN KEY (tenant_id, asset_id) REFERENCES media.assets (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON COLUMN media.imports.reserved_bytes IS 'As many as are known: those that were announced, that the other side announced, or that came so far.';

-- Where from. A URL may hold a signature, so nobody reads it but the scanner, and it goes with the import.
CREATE TABLE media.import_urls (
  tenant_id uuid NOT NULL,
  asset_id media.ulid NOT NULL,
  url text NOT NULL CHECK (octet_length(url) BETWEEN 1 AND 8192),
  PRIMARY KEY (tenant_id, asset_id),
  FOREIGN KEY (tenant_id, asset_id) REFERENCES media.assets (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, asset_id) REFERENCES media.imports (tenant_id, asset_id) ON DELETE CASCADE
);
COMMENT ON COLUMN media.import_urls.url IS 'A secret: written by media-api, read by media-scanner, gone when the import ends.';

-- An import ends with the asset's leaving `uploading`, whoever moves it, and with the asset's deletion.
CREATE FUNCTION media.end_import() RETURNS trigger
  LANGUAGE plpgsql
  SET search_path = pg_catalog, media, pg_temp
  AS $$
BEGIN
  DELETE FROM media.imports WHERE tenant_id = NEW.tenant_id AND asset_id = NEW.id;
  RETURN NULL;
END
$$;
CREATE TRIGGER assets_end_import AFTER UPDATE OF status, deleted_at ON media.assets
  FOR EACH ROW WHEN (OLD.source = 'imported' AND OLD.status = 'uploading' AND (NEW.status <> 'uploading' OR NEW.deleted_at IS NOT NULL))
  EXECUTE FUNCTION media.end_import();

CREATE FUNCTION media.count_imported() RETURNS trigger
  LANGUAGE plpgsql
  SET search_path = pg_catalog, media, pg_temp
  AS $$
DECLARE
  tenant uuid;
  more bigint := 0;
BEGIN
  IF TG_OP <> 'INSERT' THEN
    tenant := OLD.tenant_id;
    more := more - OLD.reserved_bytes;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    tenant := NEW.tenant_id;
    more := more + NEW.reserved_bytes;
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
CREATE TRIGGER imports_count AFTER INSERT OR UPDATE OF reserved_bytes OR DELETE ON media.imports
  FOR EACH ROW EXECUTE FUNCTION media.count_imported();
COMMENT ON COLUMN media.tenant_usage.reserved_bytes IS 'Of uploads that are open, and of imports that are under way.';

ALTER TABLE media.work DROP CONSTRAINT work_group_name_check;
ALTER TABLE media.work ADD CONSTRAINT work_group_name_check CHECK (group_name IN ('scan','rescan','import','probe','speech','poster','storyboard',
  'preview','ladder','audio','stills','animation','pages','subtitles','av1','vp9','captions','caption_copies'));

DO $rls$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['imports', 'import_urls'] LOOP
    EXECUTE format('ALTER TABLE media.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE media.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY tenant ON media.%I
      USING (tenant_id = (SELECT media.current_tenant()))
      WITH CHECK (tenant_id = (SELECT media.current_tenant()))', name);
  END LOOP;
END
$rls$;

-- Whoever may move an asset out of `uploading`, or delete it, ends its import.
GRANT SELECT, DELETE ON media.imports TO media_api, media_scanner, media_janitor;
GRANT INSERT ON media.imports TO media_api;
GRANT UPDATE (reserved_bytes) ON media.imports TO media_scanner;
GRANT INSERT ON media.import_urls TO media_api;
GRANT SELECT ON media.import_urls TO media_scanner;
-- An import writes an object: its upload ids are noted as those of a variant are.
GRANT SELECT, INSERT, DELETE ON media.output_uploads TO media_scanner;

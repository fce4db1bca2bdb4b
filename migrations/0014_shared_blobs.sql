-- Assets of one tenant that have the same bytes share what is stored of them: one original, one set of variants.
SET LOCAL lock_timeout = '10s';

ALTER TABLE media.assets
  ADD COLUMN deduplicated boolean NOT NULL DEFAULT false,
  ADD COLUMN follows media.ulid,
  -- Whoever ends an asset first looks after those who follow it: none may be left waiting for nobody.
  ADD FOREIGN KEY (tenant_id, follows) REFERENCES media.assets (tenant_id, id);
COMMENT ON COLUMN media.assets.deduplicated IS 'It names objects that were made for another asset with the same bytes, which may be gone since.';
COMMENT ON COLUMN media.assets.follows IS 'The asset with the same bytes at which the work is done; NULL once there is no more to come, or the work is its own.';
CREATE INDEX assets_followers ON media.assets (tenant_id, follows) WHERE follows IS NOT NULL;

-- Objects of originals and variants may have many names. Whoever gives one up locks its row in blobs first and asks this in a
-- statement of its own: so that of two who give up the last two names at once, one sees that nobody is left.
CREATE FUNCTION media.is_named(p_bucket text, p_key text) RETURNS boolean
  LANGUAGE sql STABLE
  SET search_path = pg_catalog, media, pg_temp
  AS $$
    SELECT EXISTS (SELECT FROM media.assets a
                   WHERE a.tenant_id = media.current_tenant() AND a.key = p_key AND a.bucket = p_bucket AND a.purged_at IS NULL)
      OR EXISTS (SELECT FROM media.variants v JOIN media.assets a ON a.id = v.asset_id
                 WHERE v.tenant_id = media.current_tenant() AND v.key = p_key AND v.bucket = p_bucket AND a.purged_at IS NULL)
  $$;
COMMENT ON FUNCTION media.is_named(text, text) IS 'Whether an asset of the transaction''s tenant that was not purged names the object as its original or a variant.';
REVOKE ALL ON FUNCTION media.is_named(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION media.is_named(text, text) TO media_api, media_scanner, media_transcoder, media_janitor;

-- What a twin has is taken over by whoever finds it: the api by a declared hash, the scanner by the true one.
GRANT SELECT ON media.variants TO media_scanner;
GRANT INSERT ON media.variants TO media_api, media_scanner;
-- With a leader's commit its followers leave their own originals: the transcoder counts them.
GRANT SELECT, INSERT, UPDATE ON media.tenant_usage TO media_transcoder;
-- An asset whose days are over may be the one that others wait for: the oldest of them gets work of its own.
GRANT INSERT ON media.work TO media_janitor;

-- Every table with a tenant: forced row level security, one policy. A transaction without a tenant reads no row and writes none.
DO $rls$
DECLARE
  name text;
BEGIN
  FOR name IN
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'media' AND c.relkind = 'r'
      AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped)
  LOOP
    EXECUTE format('ALTER TABLE media.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE media.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY tenant ON media.%I
      USING (tenant_id = (SELECT media.current_tenant()))
      WITH CHECK (tenant_id = (SELECT media.current_tenant()))', name);
  END LOOP;
END
$rls$;

-- What each binary may do; the policy above decides to which rows.
GRANT SELECT, INSERT, UPDATE ON media.assets TO media_api;
GRANT SELECT, UPDATE ON media.assets TO media_scanner, media_transcoder, media_captioner, media_janitor;
GRANT SELECT ON media.variants, media.caption_tracks, media.transcripts, media.ai_media_artifacts TO media_api;
GRANT SELECT, INSERT, UPDATE ON media.variants TO media_transcoder;
GRANT SELECT ON media.variants TO media_captioner, media_janitor;
GRANT SELECT, INSERT ON media.caption_tracks, media.transcripts, media.ai_media_artifacts TO media_captioner;
-- Every worker's loop starts, counts and ends the jobs of its piece of work; only the transcoder plans them.
GRANT SELECT, UPDATE ON media.transcode_jobs TO media_api, media_scanner, media_captioner, media_janitor;
GRANT SELECT, INSERT, UPDATE ON media.transcode_jobs TO media_transcoder;
GRANT SELECT, INSERT, UPDATE ON media.work TO media_api, media_scanner, media_transcoder, media_captioner;
GRANT SELECT, UPDATE ON media.work TO media_janitor;
GRANT SELECT, INSERT, DELETE ON media.output_uploads TO media_transcoder, media_captioner;
GRANT SELECT, DELETE ON media.output_uploads TO media_janitor;
GRANT SELECT, INSERT ON media.dead_letters TO media_scanner, media_transcoder, media_captioner, media_janitor;
GRANT SELECT, INSERT, UPDATE ON media.uploads TO media_api;
GRANT SELECT, UPDATE ON media.uploads TO media_janitor;
GRANT SELECT, INSERT, UPDATE ON media.blobs TO media_api, media_scanner, media_transcoder, media_captioner;
GRANT SELECT, UPDATE, DELETE ON media.blobs TO media_janitor;
GRANT INSERT ON media.outbox TO media_api, media_scanner, media_transcoder, media_captioner, media_janitor;
GRANT SELECT, UPDATE (published_at) ON media.outbox TO media_relay;

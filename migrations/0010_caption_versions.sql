-- Caption tracks have versions and a review; stored results are found again; transcripts are searched; what a machine made says
-- where it comes from, and nobody changes that.

ALTER TABLE media.caption_tracks
  ADD COLUMN version int NOT NULL DEFAULT 1,
  ADD COLUMN based_on media.ulid,
  ADD COLUMN superseded_by media.ulid,
  ADD COLUMN rejected boolean NOT NULL DEFAULT false,
  ADD COLUMN transcript_id media.ulid,
  ADD CONSTRAINT caption_tracks_one_verdict CHECK (NOT (approved AND rejected));
COMMENT ON COLUMN media.caption_tracks.version IS '1, and one more than the version that it was edited from.';
COMMENT ON COLUMN media.caption_tracks.based_on IS 'The version that it was edited from, which may have been deleted since.';
COMMENT ON COLUMN media.caption_tracks.superseded_by IS 'The version that took its place: by an edit, or by being approved. An approved one is shown until the edit is approved.';
COMMENT ON COLUMN media.caption_tracks.rejected IS 'A reviewer said no. With approved and superseded_by it says where the track is; reviewed_at says when.';
COMMENT ON COLUMN media.caption_tracks.transcript_id IS 'Of a machine''s track: the transcript that was made with it.';
COMMENT ON COLUMN media.caption_tracks.key IS 'Of the approved row: the asked-for key, once its text was copied there; else as version_key.';
-- Players are shown one track of a language and kind.
CREATE UNIQUE INDEX caption_tracks_one_approved ON media.caption_tracks (tenant_id, asset_id, language, kind) WHERE approved;

ALTER TABLE media.transcripts
  ADD COLUMN asked_language text,
  ADD UNIQUE (tenant_id, id),
  -- The first condition of a search is the tenant: its id is a word of each of its transcripts, so that one index answers both.
  ADD COLUMN search tsvector GENERATED ALWAYS AS (
    jsonb_to_tsvector('simple'::regconfig, jsonb_path_query_array(segments, '$[*].text'), '["string"]')
    || array_to_tsvector(ARRAY['tenant:' || tenant_id::text])) STORED;
ALTER TABLE media.caption_tracks
  ADD FOREIGN KEY (tenant_id, transcript_id) REFERENCES media.transcripts (tenant_id, id) ON DELETE SET NULL (transcript_id);
CREATE INDEX transcripts_search ON media.transcripts USING gin (search);
CREATE INDEX caption_tracks_by_transcript ON media.caption_tracks (transcript_id);
COMMENT ON COLUMN media.transcripts.asked_language IS 'BCP 47, as it was asked for; NULL: the model found out.';
COMMENT ON COLUMN media.transcripts.search IS 'The words of all segments as they are, of no language, and the tenant.';

-- What lies at the asked-for keys, `captions/{lang}.vtt`. A row is written before its object, and removed after it.
CREATE TABLE media.caption_copies (
  tenant_id uuid NOT NULL,
  asset_id media.ulid NOT NULL,
  language text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('captions','subtitles','descriptions')),
  bucket text NOT NULL,
  key text NOT NULL,
  track_id media.ulid,
  PRIMARY KEY (tenant_id, asset_id, language, kind),
  FOREIGN KEY (tenant_id, asset_id) REFERENCES media.assets (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON COLUMN media.caption_copies.track_id IS 'The version that it is a copy of; NULL: it is being written, or was when a worker died.';
ALTER TABLE media.caption_copies ENABLE ROW LEVEL SECURITY;
ALTER TABLE media.caption_copies FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON media.caption_copies
  USING (tenant_id = (SELECT media.current_tenant())) WITH CHECK (tenant_id = (SELECT media.current_tenant()));

ALTER TABLE media.work ADD COLUMN language text;
COMMENT ON COLUMN media.work.language IS 'Of captions: the language that was asked for, BCP 47; NULL: the model finds out.';
ALTER TABLE media.work DROP CONSTRAINT work_group_name_check;
ALTER TABLE media.work ADD CONSTRAINT work_group_name_check CHECK (group_name IN ('scan','probe','speech','poster','storyboard',
  'preview','ladder','audio','stills','animation','pages','subtitles','av1','vp9','captions','caption_copies'));

-- Provenance: required of what a machine made, whole, and never changed.
ALTER TABLE media.assets ADD CONSTRAINT assets_provenance CHECK (
  (kind NOT IN ('ai_image','ai_audio') AND source <> 'ai_generated')
  OR (ai_provenance IS NOT NULL AND jsonb_typeof(ai_provenance) = 'object' AND ai_provenance ?& ARRAY['model','trace_id','generated_at']));
ALTER TABLE media.caption_tracks ADD CONSTRAINT caption_tracks_provenance CHECK (
  source <> 'ai'
  OR (ai_provenance IS NOT NULL AND jsonb_typeof(ai_provenance) = 'object' AND ai_provenance ?& ARRAY['model','trace_id','generated_at']));
ALTER TABLE media.transcripts ADD CONSTRAINT transcripts_provenance CHECK (
  source <> 'ai'
  OR (ai_provenance IS NOT NULL AND jsonb_typeof(ai_provenance) = 'object' AND ai_provenance ?& ARRAY['model','trace_id','generated_at']));
ALTER TABLE media.ai_media_artifacts ADD CONSTRAINT ai_media_artifacts_provenance CHECK (
  jsonb_typeof(ai_provenance) = 'object' AND ai_provenance ?& ARRAY['model','trace_id','generated_at']);

CREATE FUNCTION media.refuse_other_provenance() RETURNS trigger
  LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp
  AS $$
BEGIN
  IF OLD.ai_provenance IS NOT NULL AND NEW.ai_provenance IS DISTINCT FROM OLD.ai_provenance THEN
    RAISE EXCEPTION 'provenance is never changed' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER assets_keep_provenance BEFORE UPDATE OF ai_provenance ON media.assets
  FOR EACH ROW EXECUTE FUNCTION media.refuse_other_provenance();
CREATE TRIGGER transcripts_keep_provenance BEFORE UPDATE OF ai_provenance ON media.transcripts
  FOR EACH ROW EXECUTE FUNCTION media.refuse_other_provenance();
CREATE TRIGGER ai_media_artifacts_keep_provenance BEFORE UPDATE OF ai_provenance ON media.ai_media_artifacts
  FOR EACH ROW EXECUTE FUNCTION media.refuse_other_provenance();
CREATE TRIGGER caption_tracks_keep_provenance BEFORE UPDATE OF ai_provenance ON media.caption_tracks
  FOR EACH ROW EXECUTE FUNCTION media.refuse_other_provenance();

-- A version is what it was written as (whose it is say its foreign key and its policy); only its review and its place in the bucket change. What a person wrote is not superseded by
-- what a machine wrote.
CREATE FUNCTION media.refuse_other_version() RETURNS trigger
  LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp
  AS $$
BEGIN
  IF (NEW.id, NEW.language, NEW.kind, NEW.format, NEW.bucket, NEW.version_key, NEW.source, NEW.version, NEW.based_on)
    IS DISTINCT FROM
     (OLD.id, OLD.language, OLD.kind, OLD.format, OLD.bucket, OLD.version_key, OLD.source, OLD.version, OLD.based_on)
  THEN
    RAISE EXCEPTION 'a version of a caption track is never changed' USING ERRCODE = 'check_violation';
  END IF;
  IF OLD.source = 'human' AND NEW.superseded_by IS DISTINCT FROM OLD.superseded_by
    AND EXISTS (SELECT FROM media.caption_tracks t WHERE t.id = NEW.superseded_by AND t.source = 'ai')
  THEN
    RAISE EXCEPTION 'a person''s caption track is not superseded by a machine''s' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER caption_tracks_keep_versions BEFORE UPDATE ON media.caption_tracks
  FOR EACH ROW EXECUTE FUNCTION media.refuse_other_version();

-- The asset's transcripts are searched by a function that is bound to the transaction's tenant: under row level security `@@` is no
-- index condition. It sees no segment, and tells ids; the caller reads the text under its own policy.
GRANT SELECT (id, tenant_id, asset_id, search) ON media.transcripts TO media_across;
CREATE POLICY across ON media.transcripts FOR SELECT TO media_across USING (true);
CREATE FUNCTION media.search_transcripts(p_query text, p_before uuid, p_limit int)
  RETURNS TABLE (transcript_id uuid, asset_id uuid)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, media, pg_temp
  AS $$
    SELECT t.id::uuid, t.asset_id::uuid FROM media.transcripts t
    WHERE t.tenant_id = media.current_tenant()
      AND t.search @@ (quote_literal('tenant:' || media.current_tenant())::tsquery && websearch_to_tsquery('simple', p_query))
      AND (p_before IS NULL OR t.id < p_before)
    ORDER BY t.id DESC LIMIT least(p_limit, 200)
  $$;
DO $own$
BEGIN
  -- As in 0007: for this moment only.
  GRANT CREATE ON SCHEMA media TO media_across;
  REVOKE ALL ON FUNCTION media.search_transcripts(text, uuid, int) FROM PUBLIC;
  ALTER FUNCTION media.search_transcripts(text, uuid, int) OWNER TO media_across;
  REVOKE CREATE ON SCHEMA media FROM media_across;
END
$own$;
GRANT EXECUTE ON FUNCTION media.search_transcripts(text, uuid, int) TO media_api;

-- media-api takes versions and reviews them; the captioner makes versions, and the copies at the asked-for keys.
GRANT INSERT, DELETE, UPDATE (approved, rejected, reviewed_by, reviewed_at, superseded_by) ON media.caption_tracks TO media_api;
GRANT INSERT ON media.transcode_jobs TO media_api;
GRANT UPDATE (key, superseded_by) ON media.caption_tracks TO media_captioner;
GRANT SELECT, INSERT, UPDATE, DELETE ON media.caption_copies TO media_captioner;
GRANT SELECT ON media.caption_copies TO media_janitor;
GRANT DELETE ON media.blobs TO media_captioner;

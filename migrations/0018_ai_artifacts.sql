-- What callers record of what their machines made.
SET LOCAL lock_timeout = '10s';

GRANT INSERT ON media.ai_media_artifacts TO media_api;
-- Pages are cut by the id, newest first.
CREATE INDEX ai_media_artifacts_page ON media.ai_media_artifacts (tenant_id, id DESC);
CREATE INDEX ai_media_artifacts_by_tenants_output ON media.ai_media_artifacts (tenant_id, output_asset_id, id);
COMMENT ON COLUMN media.ai_media_artifacts.prompt_ref IS 'Where the prompt is kept, as the caller named it; never the prompt.';
COMMENT ON COLUMN media.ai_media_artifacts.kind IS 'transcript, ai_image or ai_audio.';

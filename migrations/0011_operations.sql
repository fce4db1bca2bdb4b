-- What operators see and do: dead letters of both sorts, replays, usage, and decisions about what was quarantined.

-- A scan of an asset that was scanned before is a group of its own: nothing is made again after it.
ALTER TABLE media.work DROP CONSTRAINT work_group_name_check;
ALTER TABLE media.work ADD CONSTRAINT work_group_name_check CHECK (group_name IN ('scan','rescan','probe','speech','poster','storyboard',
  'preview','ladder','audio','stills','animation','pages','subtitles','av1','vp9','captions','caption_copies'));

ALTER TABLE media.assets DROP CONSTRAINT assets_scan_verdict_check;
ALTER TABLE media.assets ADD CONSTRAINT assets_scan_verdict_check CHECK (scan_verdict IN ('clean','partial','infected','released'));
ALTER TABLE media.assets ADD COLUMN purged_at timestamptz;
COMMENT ON COLUMN media.assets.scan_verdict IS 'partial: nothing was found, and not every byte was looked at. released: an administrator let pass what was found. Neither is ever shown as clean.';
COMMENT ON COLUMN media.assets.purged_at IS 'When an administrator had its bytes thrown away. A purged asset is deleted for good.';

-- One row per decision. The newest decision on (sha256, signature) counts, so that the same bytes need not be judged twice.
CREATE TABLE media.quarantine_decisions (
  id media.ulid PRIMARY KEY,
  tenant_id uuid NOT NULL,
  about media.ulid NOT NULL,
  decision text NOT NULL CHECK (decision IN ('release','purge','rescan')),
  decided_by text NOT NULL,
  why text NOT NULL,
  sha256 char(64),
  signature text,
  decided_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON COLUMN media.quarantine_decisions.about IS 'The asset, which may be erased since: what was decided about its bytes outlives it.';
CREATE INDEX quarantine_decisions_by_asset ON media.quarantine_decisions (about);
CREATE INDEX quarantine_decisions_by_content ON media.quarantine_decisions (tenant_id, sha256, decided_at DESC);
COMMENT ON COLUMN media.quarantine_decisions.decided_by IS 'The subject of the caller''s token.';
COMMENT ON COLUMN media.quarantine_decisions.signature IS 'What had been found when it was decided; NULL where nothing had.';
ALTER TABLE media.quarantine_decisions ENABLE ROW LEVEL SECURITY;
ALTER TABLE media.quarantine_decisions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON media.quarantine_decisions
  USING (tenant_id = (SELECT media.current_tenant()))
  WITH CHECK (tenant_id = (SELECT media.current_tenant()));
GRANT SELECT, INSERT ON media.quarantine_decisions TO media_api;
GRANT SELECT ON media.quarantine_decisions TO media_scanner;

-- What the broker gave up becomes rows too. The broker delivers at least once; the message's id makes a row of it once.
ALTER TABLE media.dead_letters ADD COLUMN message_id media.ulid;
CREATE UNIQUE INDEX dead_letters_once ON media.dead_letters (tenant_id, message_id) WHERE message_id IS NOT NULL;
CREATE INDEX dead_letters_page ON media.dead_letters (tenant_id, id DESC);
COMMENT ON COLUMN media.dead_letters.tenant_id IS 'Of a message whose tenant cannot be read: the UUID of zeros, which no tenant has. Who may act for all tenants can name it.';
COMMENT ON COLUMN media.dead_letters.message_id IS 'The message, where the broker gave it up; NULL for work that a worker gave up.';
GRANT INSERT ON media.dead_letters TO media_relay;
GRANT SELECT, UPDATE (redriven_at) ON media.dead_letters TO media_api;

-- Jobs are listed newest first, and one can be asked for after its asset was planned.
CREATE INDEX transcode_jobs_page ON media.transcode_jobs (tenant_id, id DESC);
GRANT INSERT ON media.transcode_jobs TO media_api;

-- A replay marks events as not published; the relay then does what it always does.
CREATE INDEX outbox_replay ON media.outbox (tenant_id, seq) WHERE kind = 'event';
GRANT SELECT, UPDATE (published_at) ON media.outbox TO media_api;

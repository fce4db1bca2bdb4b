-- What workers claim. A message is a hint; the row owns the work (docs/architecture.md).
CREATE TABLE media.work (
  id media.ulid PRIMARY KEY,
  tenant_id uuid NOT NULL,
  asset_id media.ulid NOT NULL,
  queue text NOT NULL CHECK (queue IN ('scan','transcode','caption')),
  group_name text NOT NULL CHECK (group_name IN ('scan','probe','speech','poster','ladder','audio','stills','captions')),
  state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting','running','succeeded','failed','cancelled')),
  priority smallint NOT NULL DEFAULT 1,
  rank smallint NOT NULL DEFAULT 0,
  not_before timestamptz NOT NULL DEFAULT clock_timestamp(),
  attempts int NOT NULL DEFAULT 0,
  failures int NOT NULL DEFAULT 0,
  lease_owner text,
  lease_until timestamptz,
  cancel_requested boolean NOT NULL DEFAULT false,
  reason text,
  error_message text,
  traceparent text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  started_at timestamptz,
  claimed_at timestamptz,
  finished_at timestamptz,
  UNIQUE (tenant_id, id),
  CHECK ((state = 'running') = (lease_owner IS NOT NULL AND lease_until IS NOT NULL)),
  FOREIGN KEY (tenant_id, asset_id) REFERENCES media.assets (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX work_waiting ON media.work (queue, priority, rank, created_at) WHERE state = 'waiting';
CREATE INDEX work_running ON media.work (queue, tenant_id) WHERE state = 'running';
CREATE INDEX work_leases ON media.work (lease_until) WHERE state = 'running';
CREATE INDEX work_by_asset ON media.work (asset_id);
-- One piece of work of a kind at a time for an asset: planning twice is refused, not done twice.
CREATE UNIQUE INDEX work_once ON media.work (tenant_id, asset_id, group_name) WHERE state IN ('waiting', 'running');
COMMENT ON COLUMN media.work.attempts IS 'How often it was claimed. The attempt''s number is the fence: a write names it, and a stale one changes no row.';
COMMENT ON COLUMN media.work.failures IS 'Errors and lost leases. Only these are limited; a release on SIGTERM is none.';
COMMENT ON COLUMN media.work.lease_until IS 'By the database''s clock.';
COMMENT ON COLUMN media.work.rank IS 'Order among the groups of one asset: speech, poster, then the rungs.';

CREATE TABLE media.transcode_jobs (
  id media.ulid PRIMARY KEY,
  asset_id media.ulid NOT NULL,
  tenant_id uuid NOT NULL,
  profile text NOT NULL,
  status text NOT NULL,
  attempts int DEFAULT 0,
  started_at timestamptz,
  completed_at timestamptz,
  error_message text,
  work_id media.ulid,
  required boolean NOT NULL DEFAULT false,
  progress_percent smallint NOT NULL DEFAULT 0 CHECK (progress_percent BETWEEN 0 AND 100),
  reason text,
  CHECK (status IN ('waiting','running','succeeded','failed','skipped','cancelled')),
  UNIQUE (tenant_id, asset_id, profile),
  FOREIGN KEY (tenant_id, asset_id) REFERENCES media.assets (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, work_id) REFERENCES media.work (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX transcode_jobs_by_asset ON media.transcode_jobs (asset_id);
CREATE INDEX transcode_jobs_by_work ON media.transcode_jobs (work_id);
COMMENT ON COLUMN media.transcode_jobs.progress_percent IS 'Output time over duration; 100 only once the variant''s row is committed.';

-- The upload ids that an attempt opened for its outputs, written before the first part. A new attempt first aborts all
-- that earlier ones left: a late Complete then gets NoSuchUpload. An upload id is the fence that S3 understands.
CREATE TABLE media.output_uploads (
  tenant_id uuid NOT NULL,
  work_id media.ulid NOT NULL,
  attempt int NOT NULL,
  profile text NOT NULL,
  bucket text NOT NULL,
  key text NOT NULL,
  s3_upload_id text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (work_id, attempt, profile),
  FOREIGN KEY (tenant_id, work_id) REFERENCES media.work (tenant_id, id) ON DELETE CASCADE
);

-- What was given up, for a person to look at and to send again.
CREATE TABLE media.dead_letters (
  id media.ulid PRIMARY KEY,
  tenant_id uuid NOT NULL,
  queue text NOT NULL,
  work_id media.ulid,
  reason text NOT NULL,
  traceparent text,
  body jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  redriven_at timestamptz,
  FOREIGN KEY (tenant_id, work_id) REFERENCES media.work (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX dead_letters_by_tenant ON media.dead_letters (tenant_id, created_at DESC);

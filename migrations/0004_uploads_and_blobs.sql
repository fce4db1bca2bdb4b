CREATE TABLE media.uploads (
  id media.ulid PRIMARY KEY,
  tenant_id uuid NOT NULL,
  asset_id media.ulid NOT NULL,
  bucket text NOT NULL,
  key text NOT NULL,
  s3_upload_id text NOT NULL,
  size_bytes bigint NOT NULL CHECK (size_bytes > 0),
  part_size_bytes bigint NOT NULL CHECK (part_size_bytes > 0),
  part_count int NOT NULL CHECK (part_count BETWEEN 1 AND 10000),
  state text NOT NULL DEFAULT 'open' CHECK (state IN ('open','completed','aborting','aborted')),
  created_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  UNIQUE (tenant_id, asset_id),
  FOREIGN KEY (tenant_id, asset_id) REFERENCES media.assets (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX uploads_unfinished ON media.uploads (state, created_at) WHERE state IN ('open', 'aborting');
COMMENT ON COLUMN media.uploads.state IS 'aborting: given up, and its parts may still be in the bucket; the janitor brings it to aborted.';

-- One row per stored object. Deletion has two steps: doomed_at is set when no live row names the blob; once that moment has
-- come, S3 is called.
CREATE TABLE media.blobs (
  tenant_id uuid NOT NULL,
  bucket text NOT NULL,
  key text NOT NULL,
  sha256 char(64),
  size_bytes bigint,
  doomed_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (bucket, key)
);
CREATE INDEX blobs_by_sha256 ON media.blobs (tenant_id, sha256);
CREATE INDEX blobs_doomed ON media.blobs (doomed_at) WHERE doomed_at IS NOT NULL;
COMMENT ON COLUMN media.blobs.doomed_at IS 'When the janitor may remove the object. A doomed blob is never named again.';

-- A page of a list of assets, whichever filter it has, is the beginning of an index, or what follows a place in one.
SET LOCAL lock_timeout = '10s';
CREATE INDEX assets_page_of_owner ON media.assets (tenant_id, owner_user_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX assets_page_of_kind ON media.assets (tenant_id, kind, created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX assets_page_of_status ON media.assets (tenant_id, status, created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX assets_page_of_source ON media.assets (tenant_id, source, created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX assets_page_of_sha256 ON media.assets (tenant_id, sha256, created_at DESC, id DESC) WHERE deleted_at IS NULL;

-- What callers asked for under a request id of their own, so that a call that is sent again is answered with what the first one made.

CREATE TABLE media.request_ids (
  tenant_id uuid NOT NULL,
  caller_sha256 bytea NOT NULL CHECK (octet_length(caller_sha256) = 32),
  method text NOT NULL,
  request_id text NOT NULL,
  request_sha256 bytea NOT NULL CHECK (octet_length(request_sha256) = 32),
  resource_id media.ulid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (tenant_id, caller_sha256, method, request_id)
);
CREATE INDEX request_ids_created ON media.request_ids (created_at);
COMMENT ON COLUMN media.request_ids.caller_sha256 IS 'Of the token''s subject, which may be long or a person''s.';
COMMENT ON COLUMN media.request_ids.request_sha256 IS 'Of the request without its id: the same id with another request is refused.';

ALTER TABLE media.request_ids ENABLE ROW LEVEL SECURITY;
ALTER TABLE media.request_ids FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON media.request_ids
  USING (tenant_id = (SELECT media.current_tenant()))
  WITH CHECK (tenant_id = (SELECT media.current_tenant()));
GRANT SELECT, INSERT, UPDATE ON media.request_ids TO media_api;

GRANT SELECT, DELETE ON media.request_ids TO media_across;
CREATE POLICY across ON media.request_ids TO media_across USING (true) WITH CHECK (true);

CREATE FUNCTION media.prune_request_ids(p_keep_seconds double precision, p_limit int) RETURNS bigint
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, media, pg_temp
  AS $$
    WITH gone AS (
      DELETE FROM media.request_ids WHERE (tenant_id, caller_sha256, method, request_id) IN (
        SELECT r.tenant_id, r.caller_sha256, r.method, r.request_id FROM media.request_ids r
        WHERE r.created_at < clock_timestamp() - make_interval(secs => p_keep_seconds) ORDER BY r.created_at LIMIT p_limit)
      RETURNING 1)
    SELECT count(*) FROM gone
  $$;
REVOKE ALL ON FUNCTION media.prune_request_ids(double precision, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION media.prune_request_ids(double precision, int) TO media_janitor;
-- To be given a function, its new owner must be allowed to create in the schema; for this moment only.
GRANT CREATE ON SCHEMA media TO media_across;
ALTER FUNCTION media.prune_request_ids(double precision, int) OWNER TO media_across;
REVOKE CREATE ON SCHEMA media FROM media_across;

-- What an autoscaler asks: how many pieces of work of a queue are being done. Whoever asks logs in as a role that may do nothing else.
SET LOCAL lock_timeout = '10s';

DO $role$
BEGIN
  -- Roles belong to the whole cluster: another database's migration may make it at the same moment.
  CREATE ROLE media_scaler LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
  NULL;
END
$role$;
GRANT USAGE ON SCHEMA media TO media_scaler;

-- Of all tenants: a number, and nobody's row. A lease that ran out is no worker's, and not counted: only the janitor has yet to see it.
CREATE FUNCTION media.live_leases(p_queue text) RETURNS bigint
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, media, pg_temp
  AS $$
    SELECT count(*) FROM media.work w WHERE w.queue = p_queue AND w.state = 'running' AND w.lease_until >= clock_timestamp()
  $$;
-- To be given a function, its new owner must be allowed to create in the schema; for this moment only.
GRANT CREATE ON SCHEMA media TO media_across;
REVOKE ALL ON FUNCTION media.live_leases(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION media.live_leases(text) TO media_scaler;
ALTER FUNCTION media.live_leases(text) OWNER TO media_across;
REVOKE CREATE ON SCHEMA media FROM media_across;

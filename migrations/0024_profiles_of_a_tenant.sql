-- What is made of a tenant's files beside the required, where nobody asked for anything.
SET LOCAL lock_timeout = '10s';

ALTER TABLE media.tenant_policies ADD COLUMN profiles text[];
COMMENT ON COLUMN media.tenant_policies.profiles IS 'Names of profiles, of any kind. A kind of which none is named has all that apply.';

CREATE OR REPLACE FUNCTION media.schema_version() RETURNS bigint
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  SET search_path = pg_catalog, pg_temp
  AS $$ SELECT 24::bigint $$;

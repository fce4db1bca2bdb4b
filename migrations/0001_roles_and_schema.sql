-- Run by `media migrate` as the role that owns the database; it needs CREATEROLE. No service ever runs as that role.
--
-- One login role per binary: each owns nothing and bypasses nothing. Passwords are the operator's to set.
-- media_across owns the few functions that must see across tenants; nobody can log in as it.

DO $roles$
DECLARE
  wanted record;
BEGIN
  FOR wanted IN
    SELECT * FROM (VALUES
      ('media_api', 'LOGIN'), ('media_relay', 'LOGIN'), ('media_scanner', 'LOGIN'), ('media_transcoder', 'LOGIN'),
      ('media_captioner', 'LOGIN'), ('media_janitor', 'LOGIN'), ('media_across', 'NOLOGIN')) AS roles (name, login)
  LOOP
    -- Roles belong to the whole cluster: another database's migration may make them at the same moment.
    BEGIN
      EXECUTE format('CREATE ROLE %I %s NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE', wanted.name, wanted.login);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL;
    END;
  END LOOP;
  -- To hand functions over to media_across, the migrating role must be a member of it.
  IF NOT pg_has_role(current_user, 'media_across', 'MEMBER') THEN
    EXECUTE format('GRANT media_across TO %I', current_user);
  END IF;
END
$roles$;

CREATE SCHEMA media;
GRANT USAGE ON SCHEMA media TO media_api, media_relay, media_scanner, media_transcoder, media_captioner, media_janitor, media_across;

-- A ULID is 128 bits; uuid sorts by bytes, which is the order of ULIDs, in 16 bytes instead of 26.
CREATE DOMAIN media.ulid AS uuid;

-- NULLIF: after a transaction that set it, the setting is '' and not NULL on that connection.
-- STABLE: a volatile function in a policy is called for every row and hides the index.
CREATE FUNCTION media.current_tenant() RETURNS uuid
  LANGUAGE sql STABLE PARALLEL SAFE
  SET search_path = pg_catalog, pg_temp
  AS $$ SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid $$;
COMMENT ON FUNCTION media.current_tenant() IS 'The tenant that this transaction is for; NULL where none was set, which no row equals.';

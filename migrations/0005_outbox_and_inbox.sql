-- Events and commands, committed with the change that they tell of; the relay publishes them.
CREATE TABLE media.outbox (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id media.ulid NOT NULL UNIQUE,
  tenant_id uuid NOT NULL,
  aggregate_id media.ulid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('event','command')),
  type text NOT NULL,
  routing_key text NOT NULL,
  data jsonb NOT NULL,
  sequence bigint,
  traceparent text,
  correlation_id text,
  causation_id text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  published_at timestamptz,
  part smallint GENERATED ALWAYS AS ((get_byte(uuid_send(aggregate_id), 15) & 15)::smallint) STORED,
  CHECK ((kind = 'event') = (sequence IS NOT NULL)),
  UNIQUE (tenant_id, aggregate_id, sequence)
);
CREATE INDEX outbox_unpublished ON media.outbox (part, seq) WHERE published_at IS NULL;
CREATE INDEX outbox_commands ON media.outbox (routing_key, created_at) WHERE kind = 'command';
CREATE INDEX outbox_published ON media.outbox (published_at) WHERE published_at IS NOT NULL;
COMMENT ON COLUMN media.outbox.part IS 'One relay at a time drains a partition; an aggregate is always in the same one, so its order holds.';
COMMENT ON COLUMN media.outbox.published_at IS 'Set after the broker''s confirm. Kept for 7 days so that events can be replayed.';

CREATE FUNCTION media.wake_relay() RETURNS trigger
  LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp
  AS $$
BEGIN
  -- A constant payload: many inserts of one transaction fold into one notification.
  PERFORM pg_notify('media_outbox', '');
  RETURN NULL;
END
$$;
CREATE TRIGGER outbox_wakes_relay AFTER INSERT ON media.outbox
  FOR EACH STATEMENT EXECUTE FUNCTION media.wake_relay();

-- Messages that a consumer of ours has handled. No tenant: a message names none.
CREATE TABLE media.inbox (
  consumer text NOT NULL,
  message_id uuid NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (consumer, message_id)
);
CREATE INDEX inbox_received ON media.inbox (received_at);

-- Watchers of an asset are woken when anything that they are shown has changed.
CREATE FUNCTION media.wake_watchers() RETURNS trigger
  LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp
  AS $$
BEGIN
  IF TG_TABLE_NAME = 'assets' THEN
    PERFORM pg_notify('media_assets', NEW.id::text);
  ELSE
    PERFORM pg_notify('media_assets', NEW.asset_id::text);
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER assets_wake_watchers AFTER UPDATE OF status, etag, deleted_at ON media.assets
  FOR EACH ROW EXECUTE FUNCTION media.wake_watchers();
CREATE TRIGGER jobs_wake_watchers AFTER INSERT OR UPDATE ON media.transcode_jobs
  FOR EACH ROW EXECUTE FUNCTION media.wake_watchers();

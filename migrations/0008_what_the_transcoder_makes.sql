-- The groups of profiles that the transcoder's graphs make, and what a player has to know of a variant beyond its size.

ALTER TABLE media.work DROP CONSTRAINT work_group_name_check;
ALTER TABLE media.work ADD CONSTRAINT work_group_name_check CHECK (group_name IN ('scan','probe','speech','poster','storyboard',
  'preview','ladder','audio','stills','animation','pages','subtitles','av1','vp9','captions'));

ALTER TABLE media.variants
  ADD COLUMN language text,
  ADD COLUMN channels smallint,
  ADD COLUMN details jsonb;

COMMENT ON COLUMN media.variants.language IS 'BCP 47: of the sound or text, where the file says one.';
COMMENT ON COLUMN media.variants.channels IS 'Of the sound.';
COMMENT ON COLUMN media.variants.details IS 'What belongs to one sort of variant only, such as the tiles of a storyboard (domain: VariantDetails).';

-- Captions in the languages of a policy, and for those who ask.
SET LOCAL lock_timeout = '10s';

COMMENT ON COLUMN media.work.language IS 'Of captions: the language that was asked for, BCP 47; NULL: the model finds out. Of speech: the same of the captions that were asked for with it, und where the model is to find out; NULL: nobody asked.';
-- Where captions in one language are given up because their worker was lost again and again, those in the next are planned.
GRANT INSERT ON media.work TO media_janitor;
GRANT SELECT ON media.transcripts TO media_janitor;

-- The scanner plans what needs no look into the file; the transcoder takes the text tracks out of containers.

GRANT INSERT ON media.transcode_jobs TO media_scanner;
GRANT INSERT ON media.caption_tracks TO media_transcoder;

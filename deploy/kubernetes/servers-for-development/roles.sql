-- The roles with passwords for development; the migrations find them there. In production each has a password of its own.
CREATE ROLE media_owner LOGIN CREATEROLE PASSWORD 'media_owner';
CREATE ROLE media_api LOGIN PASSWORD 'media_api';
CREATE ROLE media_relay LOGIN PASSWORD 'media_relay';
CREATE ROLE media_scanner LOGIN PASSWORD 'media_scanner';
CREATE ROLE media_transcoder LOGIN PASSWORD 'media_transcoder';
CREATE ROLE media_captioner LOGIN PASSWORD 'media_captioner';
CREATE ROLE media_janitor LOGIN PASSWORD 'media_janitor';
CREATE ROLE media_scaler LOGIN PASSWORD 'media_scaler';
CREATE DATABASE media OWNER media_owner;

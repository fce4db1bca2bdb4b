// Plays what /plan.json lists, one after the other, and posts what it saw to /report.
//
// The film has the number of each frame drawn over it as blocks: white, then a block for each bit, least significant first, then
// black. A block survives scaling and coding, so that the canvas says which frame is on the screen, whatever a player believes.
'use strict';

// A seek that a player has spoilt does not end; any other does within its limit, however slowly pictures are decoded.
const BITS = 14, BLOCK = 10, LIMIT_MS = 60000, SEEK_LIMIT_MS = 20000;

const pause = ms => new Promise(done => setTimeout(done, ms));

async function until(what, condition, limit = LIMIT_MS) {
  const end = performance.now() + limit;
  for (;;) {
    const found = condition();
    if (found !== undefined && found !== false && found !== null) return found;
    if (performance.now() > end) throw new Error(`${what}: not within ${limit} ms`);
    await pause(20);
  }
}

const canvas = document.createElement('canvas');
canvas.width = (BITS + 2) * BLOCK;
canvas.height = 90;
const picture = canvas.getContext('2d', { willReadFrequently: true });

// The number of the frame on the screen; -1 where there is none.
function frameShown(video) {
  picture.drawImage(video, 0, 0, canvas.width, canvas.height);
  const row = picture.getImageData(0, BLOCK / 2, canvas.width, 1).data;
  const white = block => row[4 * (block * BLOCK + BLOCK / 2)] > 128;
  if (!white(0) || white(BITS + 1)) return -1;
  let frame = 0;
  for (let bit = 0; bit < BITS; bit++) if (white(bit + 1)) frame += 2 ** bit;
  return frame;
}

// Each player: how it is set up, which heights it offers, how it is told to show one (at once, or from what it loads next), and how it is
// put away.
const PLAYERS = {
  async hls(video, url) {
    const hls = new Hls({ maxBufferLength: 6, startLevel: 0 });
    let failed = null;
    hls.on(Hls.Events.ERROR, (_, data) => { if (data.fatal) failed = new Error(`hls.js: ${data.type} ${data.details}`); });
    hls.attachMedia(video);
    hls.loadSource(url);
    await until('hls.js has a level', () => { if (failed) throw failed; return hls.levels && hls.levels.length; });
    return {
      heights: () => hls.levels.map(level => level.height),
      show: (height, now) => { hls[now ? 'nextLevel' : 'loadLevel'] = hls.levels.findIndex(level => level.height === height); },
      sees: () => ({ audio: hls.audioTracks.length, text: hls.subtitleTracks.length }),
      failed: () => failed,
      end: () => hls.destroy(),
    };
  },
  async shaka(video, url) {
    shaka.polyfill.installAll();
    const player = new shaka.Player();
    let failed = null;
    player.addEventListener('error', event => { failed = new Error(`shaka: ${event.detail.code} ${event.detail.data}`); });
    player.configure({ abr: { enabled: false }, streaming: { bufferingGoal: 6 } });
    await player.attach(video);
    await player.load(url).catch(error => { throw new Error(`shaka: ${error.code} ${error.data}`); });
    return {
      heights: () => player.getVariantTracks().map(track => track.height),
      show: (height, now) => player.selectVariantTrack(player.getVariantTracks().find(track => track.height === height), now, 1),
      sees: () => ({ audio: player.getAudioTracks().length, text: player.getTextTracks().length, images: player.getImageTracks().length }),
      failed: () => failed,
      end: () => player.destroy(),
    };
  },
  async dash(video, url) {
    const player = dashjs.MediaPlayer().create();
    let failed = null, ready = false;
    player.updateSettings({ streaming: { abr: { autoSwitchBitrate: { video: false, audio: false } }, buffer: { bufferTimeDefault: 6, bufferTimeAtTopQuality: 6, fastSwitchEnabled: true } } });
    player.on(dashjs.MediaPlayer.events.ERROR, event => { failed = new Error(`dash.js: ${event.error && (event.error.message || event.error.code)}`); });
    player.on(dashjs.MediaPlayer.events.STREAM_INITIALIZED, () => { ready = true; });
    player.initialize(video, url, false);
    await until('dash.js has a stream', () => { if (failed) throw failed; return ready; });
    const rungs = () => player.getRepresentationsByType('video');
    return {
      heights: () => rungs().map(rung => rung.height),
      show: (height, now) => player.setRepresentationForTypeById('video', rungs().find(rung => rung.height === height).id, now),
      sees: () => ({ audio: player.getTracksFor('audio').length, text: player.getTracksFor('text').length, images: player.getTracksFor('image').length }),
      failed: () => failed,
      end: () => player.destroy(),
    };
  },
  async plain(video, url) {
    video.src = url;
    return {
      heights: () => [video.videoHeight],
      show: () => {},
      sees: () => ({}),
      failed: () => video.error && new Error(`<video>: ${video.error.code} ${video.error.message}`),
      end: () => { video.removeAttribute('src'); video.load(); },
    };
  },
};

async function play(item) {
  const video = document.querySelector('video').cloneNode();
  document.querySelector('video').replaceWith(video);
  const report = { name: item.name, heights: [], shown: [], seeks: [], again: 0, played: 0, standstill_ms: 0, error: null };
  const began = performance.now();
  let player = null;
  try {
    player = await PLAYERS[item.player](video, item.url);
    const check = () => { const failed = player.failed(); if (failed) throw failed; };
    await until('the first frame', () => { check(); return video.readyState >= 2; });
    report.heights = [...new Set(player.heights())].sort((a, b) => a - b);
    report.sees = player.sees();

    // Every level while it plays; the clock of the film may stand still no longer than it takes to fetch and decode a segment.
    await video.play();
    let last = video.currentTime, moved = performance.now();
    const watch = setInterval(() => {
      const now = performance.now();
      if (video.currentTime !== last) { last = video.currentTime; moved = now; }
      else report.standstill_ms = Math.max(report.standstill_ms, Math.round(now - moved));
    }, 20);
    for (const height of [...report.heights].reverse()) {
      // What is buffered is played first, and the film is short.
      if (video.duration - video.currentTime < 10) video.currentTime = 0;
      player.show(height, true);
      await until(`${height} lines`, () => { check(); return video.videoHeight === height; });
      report.shown.push(height);
      const from = video.currentTime;
      await until('a second of film', () => { check(); return video.currentTime > from + 1 || video.ended; });
    }
    report.played = video.currentTime;
    clearInterval(watch);
    video.pause();

    for (let number = 0; number < item.seeks; number++) {
      const frame = Math.floor(Math.random() * item.frames);
      if (number % 5 === 0) player.show(report.heights[(number / 5) % report.heights.length], false);
      const at = (frame + 0.5) / item.frame_rate;
      let seen = -1;
      // Until the seek has ended, too: into one that has not, Chromium seeks to the next keyframe now and then.
      const seek = () => {
        video.currentTime = at;
        return until(`frame ${frame}`, () => { check(); seen = frameShown(video); return seen === frame && !video.seeking && video.readyState >= 3; }, SEEK_LIMIT_MS);
      };
      // Where a player replaces the very group of pictures that is sought, Chromium goes on with the next one. Once it is there, it is found.
      await seek().catch(() => { report.again += 1; return seek(); }).catch(() => {});
      const buffered = [...Array(video.buffered.length).keys()].map(range => [video.buffered.start(range), video.buffered.end(range)]);
      const state = seen === frame ? undefined : { buffered, seeking: video.seeking, ready: video.readyState, quality: video.getVideoPlaybackQuality().totalVideoFrames };
      report.seeks.push({ frame, seen, at: video.currentTime, height: video.videoHeight, state });
      check();
    }
  } catch (error) {
    report.error = String(error && error.message || error) + ` (at ${video.currentTime}, ${video.videoWidth}x${video.videoHeight}, ready ${video.readyState})`;
  }
  try { if (player) await player.end(); } catch (error) { report.error = report.error || String(error); }
  report.took_ms = Math.round(performance.now() - began);
  return report;
}

(async () => {
  const post = report => fetch('/report', { method: 'POST', body: JSON.stringify(report) });
  try {
    const plan = await (await fetch('/plan.json')).json();
    const reports = [];
    for (const item of plan) reports.push(await play(item));
    await post({ reports });
  } catch (error) {
    await post({ error: String(error && error.stack || error) });
  }
})();

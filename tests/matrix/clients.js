// clients.js - the programs of the matrix, as Debian ships them: how each is told to publish and to play.
//
// A client is { name, play: { COLUMN: begin }, publish: { COLUMN: begin } }; `begin` takes one attempt and
// starts it, or gives undefined when it is over already:
//
//	url      with the token, or without one      out      a file for what is played
//	stream, token, server                        source   { flv, ts, mkv }: files to publish
//
// What a program wrote to `out` is looked at by the matrix, also for sound unless the attempt is `silent`; a
// browser's page says by itself what it shows.
import { mkdirSync, writeFileSync, existsSync } from 'node:fs';
import path from 'node:path';
import { start, BIN, folder, until, atEnd } from '../browser/lib.js';
import { pages } from './pages.js';

const all = (columns, begin) => Object.fromEntries(columns.split(' ').map(c => [c, a => begin(a, c)]));
// A program that writes what it plays to its standard output, which is the file.
const into = (out, ...command) => start('sh', ['-c', 'out=$1; shift; exec "$@" >"$out"', '-', out, ...command]);
const SINK = ['filesink', 'buffer-mode=unbuffered'];

// ---- ffmpeg ----

const ffmpeg = {
	name: 'ffmpeg',
	publish: {
		...all('RTMP RTMPS', a => start('ffmpeg', ['-v', 'error', '-nostdin', '-re', '-stream_loop', '-1', '-i', a.source.flv, '-c', 'copy', '-f', 'flv', a.url])),
		...all('SRT', a => start('ffmpeg', ['-v', 'error', '-nostdin', '-re', '-stream_loop', '-1', '-i', a.source.ts, '-c', 'copy', '-f', 'mpegts', a.url])),
	},
	play: all('RTMP RTMPS SRT HLS DASH FLV TS MP4', a =>
		start('ffmpeg', ['-v', 'error', '-nostdin', '-y', '-i', a.url, '-c', 'copy', '-flush_packets', '1', '-f', 'mpegts', a.out])),
};

// ---- GStreamer ----

const gst = (...args) => start('gst-launch-1.0', ['-q', ...args.flatMap(a => a.split(' '))]);
const PICTURE = 'videotestsrc is-live=true ! video/x-raw,width=320,height=180,framerate=30/1 ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30 ! h264parse ! queue !';
const SOUND = 'audiotestsrc is-live=true ! voaacenc ! aacparse ! queue ! m.';
const trusting = column => column === 'RTMPS' ? 'tls-validation-flags=0' : 'name=it';
const srt = a => [`uri=${a.url.split('?')[0]}`, `streamid=${a.url.split('?streamid=')[1]}`];
const gstreamer = {
	name: 'GStreamer',
	publish: {
		...all('RTMP RTMPS', (a, c) => gst(`${PICTURE} flvmux name=m streamable=true ! rtmp2sink ${trusting(c)}`, `location=${a.url}`, SOUND)),
		SRT: a => gst(`${PICTURE} mpegtsmux name=m alignment=7 ! srtsink`, ...srt(a), SOUND),
	},
	play: {
		...all('RTMP RTMPS', (a, c) => gst(`rtmp2src ${trusting(c)}`, `location=${a.url}`, '!', ...SINK, `location=${a.out}`)),
		SRT: a => gst('srtsrc', ...srt(a), '!', ...SINK, `location=${a.out}`),
		...all('FLV TS MP4', a => gst('souphttpsrc', `location=${a.url}`, '!', ...SINK, `location=${a.out}`)),
		HLS: a => gst('souphttpsrc', `location=${a.url}`, '! hlsdemux ! qtdemux name=d d.video_0 ! queue ! h264parse ! mpegtsmux name=m !', ...SINK, `location=${a.out}`,
			'd.audio_0 ! queue ! aacparse ! m.'),
	},
};

// ---- players ----

const mpv = {
	name: 'mpv',
	// Of DASH it must be told beforehand: else it opens the URL, finds out what it is, and opens it once more.
	play: all('RTMP RTMPS SRT HLS DASH FLV TS MP4', (a, c) => start('mpv', ['--no-config', '--ytdl=no', '--vo=null', '--ao=null',
		`--stream-record=${a.out}.ts`, c === 'DASH' ? `av://dash:${a.url}` : a.url])),
};

// VLC does not run as root.
const NOBODY = process.getuid() ? [] : ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', 'env', 'HOME=/nonexistent'];
const vlc = {
	name: 'VLC',
	// A '#' would begin the URL's fragment.
	play: all('RTMP RTMPS SRT HLS DASH FLV TS MP4', a => into(a.out, ...NOBODY, 'vlc', '-I', 'dummy', '--no-video-title-show',
		'--sout', '#std{access=file,mux=ts,dst=-}', a.url.replace('#', '%23'), 'vlc://quit')),
};

const rtmpdump = { name: 'rtmpdump', play: all('RTMP', a => start('rtmpdump', ['-q', '--live', '-r', a.url, '-o', a.out])) };

const curl = {
	name: 'curl',
	play: {
		...all('RTMP FLV TS MP4', a => start('curl', ['-sfN', '-o', a.out, a.url])),
		// As a script does: the playlist, one of its renditions, its segments; no cookie, no token twice.
		HLS: a => start('sh', ['-c', `set -e; base=\${1%/*}
			index=$(curl -sf "$1" | grep main.m3u8); list=$(curl -sf "$base/$index"); dir=$base/\${index%/*}
			for file in $(echo "$list" | sed -n 's/^#EXT-X-MAP:URI="\\(.*\\)"/\\1/p') $(echo "$list" | grep -v '^#'); do curl -sf "$dir/$file" >>"$2"; done`,
		'-', a.url, a.out]),
		// Pictures alone: sound is a file of its own.
		DASH: a => Object.assign(start('sh', ['-c', `set -e; mpd=$(curl -sf "$1"); dir=\${1%/*}/$(echo "$mpd" | sed -n 's|<BaseURL>\\(.*\\)</BaseURL>|\\1|p')
			of() { echo "$mpd" | grep -m 1 contentType=.video | sed "s/.*$1=\\"\\([^\\"]*\\)\\".*/\\1/"; }
			media=$(of media); number=$(of startNumber); curl -sf "$dir$(of initialization)" >"$2"
			while curl -sf --retry 9 --retry-all-errors --retry-delay 1 "$dir\${media%%[$]*}$number.m4s" >>"$2"; do number=$((number + 1)); done`,
		'-', a.url, a.out]), { silent: true }),
	},
};

const transmit = {
	name: 'srt-live-transmit',
	publish: { SRT: a => start('sh', ['-c', 'ffmpeg -v error -nostdin -re -stream_loop -1 -i "$1" -c copy -f mpegts - | srt-live-transmit file://con "$2" >/dev/null', '-', a.source.ts, a.url]) },
	play: { SRT: a => into(a.out, 'srt-live-transmit', '-q', a.url, 'file://con') },
};

// ---- streamplay ----

// Its token comes by its environment: `plain` has none.
const streamplay = {
	name: 'streamplay',
	publish: { WHIP: a => start(path.join(BIN, 'streamplay'), ['--publish', a.source.mkv, a.plain], { env: { STREAMGATE_TOKEN: a.token ?? '' } }) },
	play: all('RTMP RTMPS SRT WHEP WebSocket HLS DASH FLV TS MP4', a =>
		start(path.join(BIN, 'streamplay'), ['--no-window', '--duration', '2s', '--record', `${a.out}.ts`, a.plain], { env: { STREAMGATE_TOKEN: a.token ?? '' } })),
};

// ---- OBS: a black picture and silence, from a profile that is ready, as a person types it in ----

let display;
async function screen() {
	const server = start('Xvfb', ['-displayfd', '1', '-screen', '0', '800x600x24']);
	atEnd(() => server.stop());
	await until(() => /\d+\n/.test(server.out), 'Xvfb');
	return `:${server.out.trim()}`;
}

async function obs(a, column) {
	display ??= screen();
	const home = folder(), config = path.join(home, '.config/obs-studio'), profile = path.join(config, 'basic/profiles/p');
	for (const dir of [profile, path.join(config, 'basic/scenes'), path.join(home, 'run')])
		mkdirSync(dir, { recursive: true, mode: 0o700 });
	writeFileSync(path.join(config, 'global.ini'), '[General]\nFirstRun=true\nEnableAutoUpdates=false\nInfoIncrement=99\n' +
		'[Basic]\nProfile=p\nProfileDir=p\nSceneCollection=s\nSceneCollectionFile=s\n');
	writeFileSync(path.join(profile, 'basic.ini'), '[General]\nName=p\n[Video]\nBaseCX=320\nBaseCY=180\nOutputCX=320\nOutputCY=180\nFPSCommon=30\n' +
		'[Output]\nMode=Simple\nReconnect=false\n[SimpleOutput]\nStreamEncoder=x264\nVBitrate=500\nPreset=ultrafast\n');
	writeFileSync(path.join(config, 'basic/scenes/s.json'), '{"name":"s","current_scene":"scene","scene_order":[{"name":"scene"}],"sources":[]}');
	const split = a.url.lastIndexOf('/');
	const settings = column === 'SRT' ? { server: a.url, key: '' } : { server: a.url.slice(0, split), key: a.url.slice(split + 1) };
	writeFileSync(path.join(profile, 'service.json'), JSON.stringify({ type: 'rtmp_custom', settings: { ...settings, use_auth: false } }));
	return start('obs', ['--startstreaming', '--multi', '--minimize-to-tray', '--disable-updater', '--disable-missing-files-check', '--profile', 'p', '--collection', 's'],
		{ env: { HOME: home, XDG_RUNTIME_DIR: path.join(home, 'run'), DISPLAY: await display, LIBGL_ALWAYS_SOFTWARE: '1' } });
}

export const clients = [ffmpeg, gstreamer, vlc, mpv, rtmpdump, { name: 'OBS', publish: all('RTMP SRT', obs) }, curl, transmit, ...pages, streamplay];
export const written = a => [a.out, `${a.out}.ts`].find(existsSync);

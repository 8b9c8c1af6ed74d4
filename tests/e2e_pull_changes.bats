#!/usr/bin/env bats
# What a far end sends changes while it is pulled: the pull goes on, and so do those who watch here.

load e2e.bash
load e2e_relay.bash

X264="-c:v libx264 -preset ultrafast -tune zerolatency -g 25"
X265="-c:v libx265 -preset ultrafast -x265-params keyint=25:log-level=none"

setup_file() {
	make_piece small 320x180 $X264 -c:a aac
	make_piece large 640x360 $X264 -c:a aac -mpegts_start_pid 0x300
	make_piece mute 320x180 $X264 -an
	make_piece other 320x180 $X265 -c:a libmp3lame
	cat >"$BATS_FILE_TMPDIR/far.py" <<-END
		# Sends what PACER makes of files, over HTTP, for as long as it is taken. usage: PORT FILE...
		import http.server, os, subprocess, sys
		class Far(http.server.BaseHTTPRequestHandler):
		    def do_GET(self):
		        self.send_response(200)
		        self.send_header("Content-Type", "video/mp2t")
		        self.end_headers()
		        subprocess.run([sys.executable, "-c", os.environ["PACER"], "100", *sys.argv[2:]], stdout=self.connection.fileno())
		http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Far).serve_forever()
	END
}

make_piece() { # name size options: two seconds of picture and sound, in MPEG-TS
	ffmpeg -v error -nostdin -f lavfi -i "testsrc2=size=$2:rate=25:duration=2" -f lavfi -i sine=sample_rate=48000:duration=2 \
		"${@:3}" -f mpegts "$BATS_FILE_TMPDIR/$1.ts"
}

# ---- far ends: each sends pieces, one behind the other, again and again ----

files() { # piece...
	for p in "$@"; do echo "$BATS_FILE_TMPDIR/$p.ts"; done
}

http_far() { # piece...: sets URL
	start python3 "$BATS_FILE_TMPDIR/far.py" "$FAR_HTTP" $(files "$@")
	for _ in $(seq 200); do
		! (: >"/dev/tcp/127.0.0.1/$FAR_HTTP") 2>/dev/null || break
		sleep 0.05
	done
	URL=http://127.0.0.1:$FAR_HTTP/live.ts
}

srt_far() { # SRT's URL, piece...
	start bash -c 'url=$1; shift; python3 - 100 "$@" <<<"$PACER" | srt-live-transmit -q -chunk:1316 file://con "$url"' - "$1" $(files "${@:2}")
}

stream_far() { # piece...: a stream of a streamd's, live/cam, that is packaged
	start_far
	far disable play
	srt_far "srt://127.0.0.1:$FAR_SRT?streamid=#!::r=live/cam,m=publish,token=$(far create cam --type publish --quiet)" "$@"
	curl -sf -m 30 --retry 30 --retry-delay 1 --retry-all-errors -o /dev/null "http://127.0.0.1:$FAR_HTTP/live/streams/cam.m3u8"
}

# ---- what comes of it ----

pull() { # stream=URL...: and all of them run
	local conf= s
	for s in "$@"; do conf+="
		[pull ${s%%=*}]
		url = ${s#*=}
		when = always"; done
	start_near "$conf"
	for s in "$@"; do relay ".streamId == \"${s%%=*}\" and .state == \"running\""; done
	jq 'del(.items[].bytes)' "$BATS_TEST_TMPDIR/relays" >"$BATS_TEST_TMPDIR/began"
}

never_broke_off() { # since all of them ran
	relay true
	jq 'del(.items[].bytes)' "$BATS_TEST_TMPDIR/relays" | diff "$BATS_TEST_TMPDIR/began" -
}

# What FFmpeg decodes in twelve seconds, as JSON. Gaps are between two pictures, two packets of sound, in seconds. Runs
# are of pictures of one width; those that are whole lie between two others.
watch_stream() { # stream
	timeout 60 ffmpeg -nostdin -v info -i "http://$HTTP/live/streams/$1.flv" -t 12 -vf showinfo=checksum=0 -fps_mode passthrough \
		-af ashowinfo,silencedetect=n=-50dB:d=0.3 -f null - 2>&1 3>&- | tr '\r' '\n' | python3 -c '
import itertools, json, re, sys
text = sys.stdin.read()
def times(name):
    return [float(t) for t in re.findall(r"_" + name + r"_\d.* pts_time: *([\d.]+)", text)]
def steps(times):
    return [b - a for a, b in zip(times, times[1:])]
widths = re.findall(r"pts_time.* s:(\d+)x", text)
runs = [len(list(run)) for _, run in itertools.groupby(widths)][1:-1]
pictures, sounds = times("showinfo"), times("ashowinfo")
print(json.dumps({
    "widths": sorted({int(w) for w in widths}), "shortest_run": min(runs, default=0),
    "pictures": len(pictures), "picture_gap": max(steps(pictures), default=99), "back": min(steps(pictures), default=-1) <= 0,
    "sounds": len(sounds), "sound_gap": max(steps(sounds), default=99),
    "silences": text.count("silence_end"),
}))' | tee "$BATS_TEST_TMPDIR/watched-$1"
}

watched() { # stream filter
	cat "$BATS_TEST_TMPDIR/watched-$1"
	jq -e "$2" "$BATS_TEST_TMPDIR/watched-$1"
}

# Twelve seconds are 300 pictures and 562 packets of sound; a change may cost a few.
WHOLE=".back == false and .pictures > 240 and .picture_gap < 1 and .sounds > 450 and .sound_gap < 1"

goes_through_sizes() { # stream pictures-of-each
	watched "$1" "$WHOLE and .widths == [320, 640] and .silences == 0 and .shortest_run > $2 - 10"
}

packaged_codecs() { # stream: of all segments that HLS lists, each behind its header
	local url=http://$HTTP/live/streams/$1.m3u8 list map= line
	list=$(curl -sf "$url" | grep -m 1 main.m3u8)
	[[ $list == http* ]] || list=http://$HTTP$([[ $list == /* ]] || echo /live/streams/)$list
	curl -sf "$list" | while read -r line; do
		case $line in
		'#EXT-X-MAP:'*) map=${line#*URI=\"} map=${map%%\"*} ;;
		'#'*) ;;
		*) curl -sf "${list%/*}/$map" "${list%/*}/$line" | ffprobe -v error -show_entries stream=codec_name -of csv=p=0 - ;;
		esac
	done | grep . | sort -u | paste -sd,
}

comes_with_all_codecs() { # stream
	for _ in $(seq 40); do
		codecs=$(packaged_codecs "$1")
		[ "$codecs" != aac,h264,hevc,mp3 ] || return 0
		sleep 0.5
	done
	echo "$1: $codecs"
	return 1
}

@test "MPEG-TS over HTTP: other numbers and another size, and back" {
	http_far small large
	pull here="$URL"
	watch_stream here
	goes_through_sizes here 50
	never_broke_off
}

@test "MPEG-TS over HTTP: sound that goes and comes" {
	http_far small mute
	pull here="$URL"
	watch_stream here
	watched here "$WHOLE and .widths == [320] and .silences > 0"
	never_broke_off
}

@test "MPEG-TS over HTTP: another codec under the same number, and back" {
	http_far small small other other
	pull here="$URL"
	comes_with_all_codecs here
	never_broke_off
}

@test "MPEG-TS over SRT that is called for: other numbers and another size, and back" {
	srt_far "srt://127.0.0.1:$FAR_SRT?mode=listener" small large
	pull here="srt://127.0.0.1:$FAR_SRT"
	watch_stream here
	goes_through_sizes here 50
	never_broke_off
}

@test "a streamd's stream, over whatever it is pulled: other numbers and another size, and back" {
	stream_far small small large large
	pull rtmp="rtmp://127.0.0.1:$FAR_RTMP/live/cam" srt="srt://127.0.0.1:$FAR_SRT?streamid=#!::r=live/cam" \
		flv="http://127.0.0.1:$FAR_HTTP/live/streams/cam.flv" ts="http://127.0.0.1:$FAR_HTTP/live/streams/cam.ts" \
		hls="http://127.0.0.1:$FAR_HTTP/live/streams/cam.m3u8"
	local s viewers=()
	for s in rtmp srt flv ts hls; do
		watch_stream "$s" &
		viewers+=($!)
	done
	wait "${viewers[@]}"
	for s in rtmp srt flv ts; do goes_through_sizes "$s" 100; done
	goes_through_sizes hls 25 # it goes on at the newest segment at the latest
	never_broke_off
}

@test "a streamd's stream, over what has all codecs: another codec, and back" {
	stream_far small small other other
	pull ts="http://127.0.0.1:$FAR_HTTP/live/streams/cam.ts" hls="http://127.0.0.1:$FAR_HTTP/live/streams/cam.m3u8"
	comes_with_all_codecs ts
	comes_with_all_codecs hls
	never_broke_off
}

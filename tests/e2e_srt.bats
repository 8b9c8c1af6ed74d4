#!/usr/bin/env bats
# SRT end to end, with FFmpeg mostly: which other programs publish and play it is tried in tests/matrix.

load e2e.bash

setup_file() {
	make_source
	make_ts_source
	start_streamd 'srt_passphrase =
		[app secret]
		srt_passphrase = correct horse battery'
}

teardown_file() { stop_streamd; }

setup() { STARTED=; }

teardown() {
	for p in $STARTED; do stop "$p"; done
}

start() { # command...: in the background, ended with its test at the latest: sets CLIENT
	timeout --kill-after=2 90 "$@" >"$BATS_TEST_TMPDIR/client.log" 2>&1 </dev/null 3>&- &
	CLIENT=$!
	STARTED="$STARTED $CLIENT"
}

srt_publish() { # stream token [url options]
	start ffmpeg -v error -nostdin -re -stream_loop -1 -i "$TS_SOURCE" -c copy -f mpegts \
		"srt://$SRT?streamid=#!::r=live/$1,m=publish,token=$2${3-}"
	wait_live "$1"
}

make_piece() { # file size first-pid: two seconds
	[ -e "$1" ] || ffmpeg -v error -nostdin -f lavfi -i "testsrc2=size=$2:rate=25:duration=2" -f lavfi -i sine=sample_rate=48000:duration=2 \
		-c:v libx264 -preset ultrafast -tune zerolatency -g 25 -c:a aac -mpegts_start_pid "$3" -f mpegts "$1"
}

srt_publish_pieces() { # stream token seconds file...: one behind the other, again and again, two seconds each
	start bash -c 'url=$1; shift; python3 - "$@" <<<"$PACER" | srt-live-transmit -q -chunk:1316 file://con "$url"' - \
		"srt://$SRT?streamid=#!::r=live/$1,m=publish,token=$2" "${@:3}"
	wait_live "$1"
}

sizes() { # url: which widths FFmpeg decodes in seven seconds, and whether time goes on
	timeout 40 ffmpeg -v error -nostdin -i "$1" -t 7 -map 0:v -vf showinfo=checksum=0 -fps_mode passthrough -f null - -loglevel info 2>&1 |
		sed -n 's/.*pts_time: *\([0-9.]*\).* s:\([0-9]*\)x.*/\1 \2/p' |
		awk '{ if ($1 + 0 <= last + 0 && NR > 1) back = 1; last = $1; seen[$2] = 1 }
			END { for (w in seen) print w; if (back) print "back" }' | sort | paste -sd,
}

hls_sizes() { # stream: which widths ffprobe finds in the segments that are listed, each behind its initialization
	local master=http://$HTTP/live/streams/$1.m3u8?token=$2 list map= line
	list=$(curl -sf "$master" | grep -m 1 main.m3u8)
	[[ $list == http* ]] || list=http://$HTTP$([[ $list == /* ]] || echo /live/streams/)$list
	curl -sf "$list" | while read -r line; do
		case $line in
		'#EXT-X-MAP:'*) map=${line#*URI=\"} map=${map%%\"*} ;;
		'#'*) ;;
		*)
			curl -sf "${list%/*}/$map" "${list%/*}/$line" |
				ffprobe -v error -select_streams v -show_entries frame=width -of csv=p=0 - | grep -o '[0-9]*'
			;;
		esac
	done | sort -u | paste -sd,
}

frames() { # url [input options]: how many pictures FFmpeg decodes in two seconds
	timeout 30 ffmpeg -v error -nostdin "${@:2}" -i "$1" -t 2 -f null - -progress - 2>/dev/null |
		sed -n 's/^frame= *//p' | tail -n 1
}

codecs() { # file: of its tracks, in the order of their names
	ffprobe -v error -show_entries stream=codec_name -of csv=p=0 "$1" | grep . | sort -u | paste -sd,
}

@test "what comes in over SRT is played over every protocol" {
	srt_publish a "$(token a --type publish)"
	[ "$(frames "srt://$SRT?streamid=#!::r=live/a,token=$(token a)")" -ge 40 ]
	[ "$(frames "rtmp://$RTMP/live/a?token=$(token a)")" -ge 40 ]
	[ "$(frames "http://$HTTP/live/streams/a.m3u8?token=$(token a)")" -ge 40 ]
	[ "$(frames "http://$HTTP/live/streams/a.flv?token=$(token a)")" -ge 40 ]
	[ "$(frames "http://$HTTP/live/streams/a.ts?token=$(token a)")" -ge 40 ]
	curl -sf "http://$HTTP/metrics" | grep -q '^streamgate_srt_publishers 1$'
	curl -sf "http://$HTTP/metrics" | grep -qE '^streamgate_srt_sent_bytes_total [1-9]'
}

@test "HEVC and MP3, sound alone" {
	ffmpeg -v error -nostdin -i "$SOURCE" -c:v libx265 -preset ultrafast -x265-params keyint=30:log-level=none -c:a libmp3lame \
		-f mpegts "$BATS_TEST_TMPDIR/hevc.ts"
	TS_SOURCE=$BATS_TEST_TMPDIR/hevc.ts srt_publish e "$(token e --type publish)"
	timeout 30 ffmpeg -v error -nostdin -i "srt://$SRT?streamid=#!::r=live/e,token=$(token e)" -c copy -t 2 -f mpegts "$BATS_TEST_TMPDIR/e.ts"
	[ "$(codecs "$BATS_TEST_TMPDIR/e.ts")" = hevc,mp3 ]
	timeout 30 ffmpeg -v error -nostdin -i "http://$HTTP/live/streams/e.m3u8?token=$(token e)" -c copy -t 1 -f mpegts "$BATS_TEST_TMPDIR/e2.ts"
	[ "$(codecs "$BATS_TEST_TMPDIR/e2.ts")" = hevc,mp3 ]
	ffmpeg -v error -nostdin -i "$TS_SOURCE" -vn -c copy -f mpegts "$BATS_TEST_TMPDIR/sound.ts"
	TS_SOURCE=$BATS_TEST_TMPDIR/sound.ts srt_publish f "$(token f --type publish)"
	timeout 30 ffmpeg -v error -nostdin -i "srt://$SRT?streamid=#!::r=live/f,token=$(token f)" -c copy -t 1 -f mpegts "$BATS_TEST_TMPDIR/f.ts"
	[ "$(codecs "$BATS_TEST_TMPDIR/f.ts")" = aac ]
}

@test "an application with a passphrase is encrypted, and the passphrase is told to nobody" {
	"$BIN/streamd" --check-config | grep -q '^srt_passphrase = \[redacted\]$'
	start ffmpeg -v error -nostdin -re -stream_loop -1 -i "$TS_SOURCE" -c copy -f mpegts \
		"srt://$SRT?streamid=#!::r=secret/g,m=publish&passphrase=correct horse battery&pbkeylen=16"
	for _ in $(seq 100); do
		"$BIN/tokenctl" sessions --json | jq -e '.items // . | any(.streamId == "g" and .state == "active")' >/dev/null && break
		sleep 0.05
	done
	[ "$(frames "srt://$SRT?streamid=#!::r=secret/g&passphrase=correct horse battery")" -ge 40 ]
	run timeout 20 ffmpeg -v error -nostdin -i "srt://$SRT?streamid=#!::r=secret/g&passphrase=another horse entirely" -t 1 -f null -
	[ "$status" -ne 0 ]
	run timeout 20 ffmpeg -v error -nostdin -i "srt://$SRT?streamid=#!::r=secret/g" -t 1 -f null -
	[ "$status" -ne 0 ]
	run grep -r "horse" "$DIR/err" "$DIR/out"
	[ -z "$output" ]
}

@test "REST tells of the line" {
	srt_publish h "$(token h --type publish)"
	key=$("$BIN/tokenctl" apikey create --label test --quiet)
	for _ in $(seq 60); do
		curl -sf -H "Authorization: Bearer $key" "http://$HTTP/api/v1/sessions?streamId=h&app=live" >"$BATS_TEST_TMPDIR/sessions"
		jq -e '.items[0].srt.packets > 0' "$BATS_TEST_TMPDIR/sessions" >/dev/null && break
		sleep 0.1
	done
	jq -e '.items[0].srt | .rttMs > 0 and .latencyMs >= 120 and .lost >= 0 and .encrypted == false' "$BATS_TEST_TMPDIR/sessions"
}

@test "revoking shows an SRT viewer out within a second" {
	srt_publish i "$(token i --type publish)"
	t=$(token i)
	start srt-live-transmit "srt://$SRT?streamid=#!::r=live/i,token=$t" file://con
	for _ in $(seq 100); do
		[ "$(uses "$t" i)" = 1 ] && break
		sleep 0.05
	done
	id=$("$BIN/tokenctl" sessions --json | jq -r '.items // . | map(select(.streamId == "i" and .type == "play"))[0].id')
	[ "$id" != null ]
	"$BIN/tokenctl" revoke "$(token_id "$t" i)"
	sleep 1
	"$BIN/tokenctl" sessions --json | jq -e --arg id "$id" '.items // . | all(.id != $id)'
	"$BIN/tokenctl" audit --json --limit 100 | jq -e '.items | any(.event == "ended" and .reason == "revoked" and .protocol == "srt")'
}

@test "an encoder that was killed comes back with its token, where it may" {
	t=$(token j --type publish --resume 60s)
	srt_publish j "$t"
	start ffmpeg -v error -nostdin -i "rtmp://$RTMP/live/j?token=$(token j)" -t 12 -f null -
	viewer=$CLIENT
	pid=$(pgrep -f "r=live/j,m=publish" | head -n 1)
	STARTED=${STARTED/ $pid/}
	pgrep -f "r=live/j,m=publish" | xargs kill -9
	for _ in $(seq 200); do # it says no goodbye: libsrt finds out after five seconds
		"$BIN/tokenctl" audit --json --limit 100 | jq -e '.items | any(.streamId == "j" and .event == "ended" and .reason == "broken")' >/dev/null && break
		sleep 0.1
	done
	srt_publish j "$t"
	[ "$(uses "$t" j publish)" = 1 ]
	"$BIN/tokenctl" sessions --json | jq -e '.items // . | any(.streamId == "j" and .type == "play" and .state == "active")'
	stop "$viewer"
}

@test "tracks that change within one connection are followed: other numbers, another size, and back" {
	a=$BATS_TEST_TMPDIR/a.ts b=$BATS_TEST_TMPDIR/b.ts
	make_piece "$a" 320x180 0x100
	make_piece "$b" 640x360 0x300
	srt_publish_pieces k "$(token k --type publish)" 60 "$a" "$b"
	curl -sf -o /dev/null "http://$HTTP/live/streams/k.m3u8?token=$(token k)" # HLS is made from the first question on
	[ "$(sizes "http://$HTTP/live/streams/k.flv?token=$(token k)")" = 320,640 ]
	[ "$(hls_sizes k "$(token k)")" = 320,640 ]
}

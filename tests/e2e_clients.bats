#!/usr/bin/env bats
# The players and encoders that people have, as Debian ships them: each without a token, with one, and with
# that one again. What a player wrote is counted by ffprobe; what an encoder sent is watched by streamplay.

load e2e.bash

setup_file() {
	make_source
	start_streamd
	publish cam "$(token cam --type publish)"
	export PUBLISHER
}

teardown_file() {
	stop "$PUBLISHER"
	stop_streamd
}

setup() { STARTED=; }

teardown() {
	for p in $STARTED $(cat "$BATS_TEST_TMPDIR/display.pid" 2>/dev/null); do stop "$p"; done
}

start() { # command...: in the background, ended with its test at the latest: sets CLIENT
	timeout --kill-after=2 60 "$@" >"$BATS_TEST_TMPDIR/client.log" 2>&1 </dev/null 3>&- &
	CLIENT=$!
	STARTED="$STARTED $CLIENT"
}

seen() { "$BIN/tokenctl" audit --json --limit 1 | jq '.items[0].seq // 0'; }

audited() { # event reason stream type: a row newer than SEEN
	for _ in $(seq 200); do
		"$BIN/tokenctl" audit --json --limit 20 | jq -e --argjson after "$SEEN" --arg e "$1" --arg r "$2" --arg s "$3" --arg t "$4" \
			'.items | any(.seq > $after and .event == $e and (.reason // "") == $r and .streamId == $s and .type == $t)' \
			>/dev/null && return 0
		sleep 0.05
	done
	echo "no '$1 $2' for $3 in the audit"
	"$BIN/tokenctl" audit --limit 5
	tail -n 20 "$BATS_TEST_TMPDIR/client.log"
	return 1
}

ended() { # stream: nobody publishes it
	for _ in $(seq 200); do
		"$BIN/tokenctl" sessions --json | jq -e --arg s "$1" \
			'.items // . | all(.streamId != $s or .type != "publish")' >/dev/null && return 0
		sleep 0.05
	done
	return 1
}

# ---- players: PLAYER URL FILE writes what it plays ----

rtmpdump_play() { start rtmpdump -q --live -r "$1" -o "$2"; }
mpv_play() { start mpv --no-config --ytdl=no --vo=null --ao=null --stream-record="$2" "$1"; }
# VLC does not run as root.
vlc_play() {
	local as=()
	[ "$(id -u)" -ne 0 ] || as=(setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/nonexistent)
	start sh -c 'out=$1; shift; exec "$@" >"$out"' - "$2" \
		"${as[@]}" vlc -I dummy --no-video-title-show --sout '#std{access=file,mux=ts,dst=-}' "$1" vlc://quit
}
gst_rtmpsrc_play() { start gst-launch-1.0 -q rtmpsrc location="$1" ! filesink buffer-mode=unbuffered location="$2"; }
gst_rtmp2src_play() { start gst-launch-1.0 -q rtmp2src location="$1" ! filesink buffer-mode=unbuffered location="$2"; }
gst_http_play() { start gst-launch-1.0 -q souphttpsrc location="$1" ! filesink buffer-mode=unbuffered location="$2"; }
gst_hls_play() {
	start gst-launch-1.0 -q souphttpsrc location="$1" ! hlsdemux ! qtdemux name=d \
		d.video_0 ! queue ! h264parse ! mpegtsmux name=m ! filesink buffer-mode=unbuffered location="$2" \
		d.audio_0 ! queue ! aacparse ! m.
}

packets() { # file kind: how many of them
	ffprobe -v error -count_packets -select_streams "$2:0" -show_entries stream=nb_read_packets -of csv=p=0 "$1" |
		grep -oE '[0-9]+' | head -n 1
}

wrote_media() { # file: until it holds a second of picture and of sound
	for _ in $(seq 200); do
		if [ "$(stat -c %s "$1" 2>/dev/null || echo 0)" -gt 100000 ]; then
			stop "$CLIENT"
			echo "$(packets "$1" v) pictures, $(packets "$1" a) packets of sound"
			[ "$(packets "$1" v)" -ge 20 ]
			[ "$(packets "$1" a)" -ge 20 ]
			return
		fi
		kill -0 "$CLIENT" 2>/dev/null || break
		sleep 0.05
	done
	echo "nothing came"
	tail -n 20 "$BATS_TEST_TMPDIR/client.log"
	return 1
}

plays() { # player URL-without-a-token
	local t out=$BATS_TEST_TMPDIR/out.$1
	SEEN=$(seen)
	"$1" "$2" "$out.none"
	audited refused missing_token cam play
	stop "$CLIENT"
	[ ! -s "$out.none" ]

	t=$(token cam)
	"$1" "$2?token=$t" "$out.ts"
	wrote_media "$out.ts"
	audited admitted "" cam play
	[ "$(uses "$t" cam)" = 1 ]

	SEEN=$(seen)
	"$1" "$2?token=$t" "$out.used"
	audited refused used cam play
	stop "$CLIENT"
	[ ! -s "$out.used" ]
	[ "$(uses "$t" cam)" = 1 ]
}

@test "rtmpdump plays RTMP" { plays rtmpdump_play "rtmp://$RTMP/live/cam"; }

@test "mpv plays RTMP" { plays mpv_play "rtmp://$RTMP/live/cam"; }
@test "mpv plays HLS" { plays mpv_play "http://$HTTP/live/streams/cam.m3u8"; }
@test "mpv plays HTTP-FLV" { plays mpv_play "http://$HTTP/live/streams/cam.flv"; }
@test "mpv plays HTTP-TS" { plays mpv_play "http://$HTTP/live/streams/cam.ts"; }

@test "VLC plays RTMP" { plays vlc_play "rtmp://$RTMP/live/cam"; }
@test "VLC plays HLS" { plays vlc_play "http://$HTTP/live/streams/cam.m3u8"; }
@test "VLC plays HTTP-FLV" { plays vlc_play "http://$HTTP/live/streams/cam.flv"; }
@test "VLC plays HTTP-TS" { plays vlc_play "http://$HTTP/live/streams/cam.ts"; }

@test "GStreamer plays RTMP, with librtmp and with its own" {
	plays gst_rtmpsrc_play "rtmp://$RTMP/live/cam"
	plays gst_rtmp2src_play "rtmp://$RTMP/live/cam"
}
@test "GStreamer plays HLS" { plays gst_hls_play "http://$HTTP/live/streams/cam.m3u8"; }
@test "GStreamer plays HTTP-FLV and HTTP-TS" {
	for form in flv ts; do
		plays gst_http_play "http://$HTTP/live/streams/cam.$form"
		rm -f "$BATS_TEST_TMPDIR"/out.*
	done
}

# ---- encoders: ENCODER STREAM [TOKEN] publishes until it is stopped ----

gst_publish() { # sink stream [token]
	start gst-launch-1.0 -q videotestsrc is-live=true ! video/x-raw,width=320,height=180,framerate=30/1 ! \
		x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30 ! h264parse ! flvmux name=m streamable=true ! \
		"$1" location="rtmp://$RTMP/live/$2${3:+?token=$3}" audiotestsrc is-live=true ! voaacenc ! aacparse ! m.
}
gst_rtmp2sink_publish() { gst_publish rtmp2sink "$@"; }
gst_rtmpsink_publish() { gst_publish rtmpsink "$@"; } # librtmp's

# A blue picture and silence, from a profile that is ready: server and stream key as a person types them.
obs_publish() { # stream [token] [address]
	local home=$BATS_FILE_TMPDIR/obs config
	config=$home/.config/obs-studio
	mkdir -p "$home/run" "$config/basic/profiles/p" "$config/basic/scenes"
	chmod 700 "$home/run"
	printf '[General]\nFirstRun=true\nEnableAutoUpdates=false\nInfoIncrement=99\n[Basic]\n%s\n%s\n%s\n%s\n' \
		Profile=p ProfileDir=p SceneCollection=s SceneCollectionFile=s >"$config/global.ini"
	cat >"$config/basic/profiles/p/basic.ini" <<-END
		[General]
		Name=p
		[Video]
		BaseCX=320
		BaseCY=180
		OutputCX=320
		OutputCY=180
		FPSCommon=30
		[Output]
		Mode=Simple
		Reconnect=true
		RetryDelay=1
		[SimpleOutput]
		StreamEncoder=x264
		VBitrate=500
		Preset=ultrafast
	END
	echo '{"name":"s","current_scene":"scene","scene_order":[{"name":"scene"}],"sources":[]}' >"$config/basic/scenes/s.json"
	printf '{"type":"rtmp_custom","settings":{"server":"rtmp://%s/live","key":"%s","use_auth":false}}' \
		"${3:-$RTMP}" "$1${2:+?token=$2}" >"$config/basic/profiles/p/service.json"
	: "${OBS_DISPLAY:=$(obs_display)}"
	start env HOME="$home" XDG_RUNTIME_DIR="$home/run" DISPLAY="$OBS_DISPLAY" LIBGL_ALWAYS_SOFTWARE=1 \
		obs --startstreaming --multi --minimize-to-tray --disable-updater --disable-missing-files-check --profile p --collection s
}

obs_display() { # prints its name; the server is in display.pid
	Xvfb -displayfd 4 -screen 0 800x600x24 4>"$BATS_TEST_TMPDIR/display" >/dev/null 2>&1 </dev/null 3>&- &
	echo "$!" >"$BATS_TEST_TMPDIR/display.pid"
	for _ in $(seq 200); do
		[ -s "$BATS_TEST_TMPDIR/display" ] && break
		sleep 0.05
	done
	echo ":$(cat "$BATS_TEST_TMPDIR/display")"
}

watched() { # stream: picture and sound come through
	STREAMGATE_TOKEN=$(token "$1") "$BIN/streamplay" --no-window --duration 1s \
		--expect "video=h264,audio=aac,fps>=15" "rtmp://$RTMP/live/$1"
}

said() { # pattern: the client has said so, at once
	for _ in $(seq 40); do
		grep -q "$1" "$BATS_TEST_TMPDIR/client.log" && return 0
		sleep 0.05
	done
	echo "it did not say: $1"
	tail -n 20 "$BATS_TEST_TMPDIR/client.log"
	return 1
}

publishes() { # encoder stream what-it-says-when-refused
	local t
	SEEN=$(seen)
	"$1" "$2"
	audited refused missing_token "$2" publish
	said "$3"
	stop "$CLIENT"

	t=$(token "$2" --type publish)
	"$1" "$2" "$t"
	audited admitted "" "$2" publish
	watched "$2"
	stop "$CLIENT"
	[ "$(uses "$t" "$2" publish)" = 1 ]

	ended "$2"
	SEEN=$(seen)
	"$1" "$2" "$t"
	audited refused used "$2" publish
	said "$3"
	stop "$CLIENT"
	[ "$(uses "$t" "$2" publish)" = 1 ]
}

@test "GStreamer publishes, with its own RTMP" { publishes gst_rtmp2sink_publish gst2 'Not authorized.*Publish\.Denied'; }
@test "GStreamer publishes, with librtmp" { publishes gst_rtmpsink_publish gst1 'Could not connect'; }
@test "OBS publishes" { publishes obs_publish obs 'Connection to .* failed'; }

# An encoder that reconnects by itself presents the same token again: the resume window is for it.
@test "OBS, when its line breaks, comes back with a token that may resume, and not with another" {
	socat -d -d TCP-LISTEN:0,bind=127.0.0.1,fork "TCP:$RTMP" 2>"$BATS_TEST_TMPDIR/line.log" 3>&- &
	local socat=$! line t
	STARTED="$STARTED $socat"
	until line=$(grep -oE 'listening on .*' "$BATS_TEST_TMPDIR/line.log"); do sleep 0.05; done
	line=127.0.0.1:${line##*:}
	break_line() { kill -9 "$(pgrep -P "$socat")"; }

	t=$(token line --type publish --resume 30s)
	SEEN=$(seen)
	obs_publish line "$t" "$line"
	audited admitted "" line publish
	watched line
	SEEN=$(seen)
	break_line
	audited admitted "" line publish
	watched line
	stop "$CLIENT"
	[ "$(uses "$t" line publish)" = 1 ]
	ended line

	t=$(token line --type publish)
	SEEN=$(seen)
	obs_publish line "$t" "$line"
	audited admitted "" line publish
	SEEN=$(seen)
	break_line
	audited refused used line publish
	[ "$(uses "$t" line publish)" = 1 ]
}

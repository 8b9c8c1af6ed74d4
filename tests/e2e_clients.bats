#!/usr/bin/env bats
# The encoders that people have, as Debian ships them: each without a token, with one, and with that one again;
# what each says of a refusal, and how it comes back when its line breaks. What plays is tried in tests/matrix.

load e2e.bash

setup_file() {
	start_streamd
}

teardown_file() { stop_streamd; }

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

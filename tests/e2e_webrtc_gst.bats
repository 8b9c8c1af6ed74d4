#!/usr/bin/env bats
# GStreamer's webrtcbin, which is nobody's code of ours, as a WHEP player and a WHIP publisher: each with a token, which
# opens once.

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

gst() { # token what URL [options]
	STREAMGATE_TOKEN=$1 timeout 100 /usr/bin/python3 "$BATS_TEST_DIRNAME/webrtc_gst.py" "${@:2}" 2>"$DIR/gst.err"
}

@test "webrtcbin plays by WHEP, picture and sound, once" {
	t=$(token cam)
	run gst "$t" play "http://$HTTP/live/whep/cam" --frames 60
	echo "$output"
	cat "$DIR/gst.err"
	[ "$status" -eq 0 ]
	[ "$(jq '.video >= 60 and .audio > 0' <<<"$output")" = true ]
	[ "$(uses "$t" cam)" = 1 ]
	run gst "$t" play "http://$HTTP/live/whep/cam"
	echo "$output"
	[ "$status" -eq 3 ]
	[ "$(jq -r .said <<<"$output")" = "refused: 403" ]
}

@test "webrtcbin publishes by WHIP, and is seen by WHEP and RTMP's players, once" {
	t=$(token gst --type publish)
	gst "$t" publish "http://$HTTP/live/whip/gst" --seconds 60 >"$DIR/gst" 3>&- &
	sender=$!
	for _ in 1 2 3 4; do wait_live gst 2>/dev/null && break; done
	wait_live gst
	for url in "whep+http://$HTTP/live/whep/gst" "http://$HTTP/live/streams/gst.flv"; do
		STREAMGATE_TOKEN=$(token gst) run "$BIN/streamplay" "$url" --no-window --json --duration 2s \
			--expect 'video=h264,fps>=20'
		echo "$url: $output"
		[ "$status" -eq 0 ]
	done
	[ "$(uses "$t" gst publish)" = 1 ]
	stop "$sender"
	run gst "$t" publish "http://$HTTP/live/whip/gst" --seconds 5
	echo "$output"
	[ "$status" -eq 3 ]
	[ "$(jq -r .said <<<"$output")" = "refused: 403" ]
}

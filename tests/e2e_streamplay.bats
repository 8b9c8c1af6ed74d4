#!/usr/bin/env bats
# streamplay at a real server: DASH, and what becomes of it when something ends midway.

load e2e.bash
bats_require_minimum_version 1.5.0

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

play() { # URL stream [options]: streamplay's JSON
	STREAMGATE_TOKEN=$(token "$2") timeout 60 "$BIN/streamplay" "$1" --no-window --json "${@:3}" 3>&-
}

@test "DASH: one token, every frame once, in order" {
	secret=$(token cam)
	STREAMGATE_TOKEN=$secret run -0 timeout 60 "$BIN/streamplay" "http://$HTTP/live/streams/cam.mpd" --no-window --json \
		--duration 4s --record "$DIR/dash.mp4" --expect 'video=h264,audio=aac,fps>=29,fps<=31,lost=0'
	echo "$output"
	# As much as it lasts, and as much as is in the playlist when it begins.
	jq -e '.live and .discontinuities == 0 and .bitRate > 0 and .latencyMs > 0 and .video.decoded <= (.seconds + 25) * 30' <<<"$output"
	ffprobe -v error -select_streams v -show_entries packet=dts -of csv=p=0 "$DIR/dash.mp4" | sort -n | uniq -d >"$DIR/twice"
	[ ! -s "$DIR/twice" ]
	[ "$(uses "$secret")" -eq 1 ]
	STREAMGATE_TOKEN=$secret run -4 "$BIN/streamplay" "http://$HTTP/live/streams/cam.mpd" --no-window
}

@test "DASH: a stream that is not there, and many viewers, which there cannot be" {
	run -3 play "http://$HTTP/live/streams/none.mpd" none
	run -2 "$BIN/streamplay" "http://$HTTP/live/streams/cam.mpd?x=1" --clients 2
	[[ $output == *"does not speak DASH"* ]]
}

@test "over SRT a refusal names both of its reasons" {
	for stream in none cam; do # not live; a token of another stream
		run -4 play "srt://$SRT?streamid=#!::r=live/$stream,m=request" none
		[[ $output == *"see whether the stream is being published, and give a token"* ]]
	done
}

@test "the bit rate of live HLS is measured" {
	run -0 play "http://$HTTP/live/streams/cam.m3u8" cam --duration 3s
	echo "$output"
	jq -e '.live and .bitRate > 0' <<<"$output"
}

@test "a publisher that ends ends its viewers, of whatever protocol: played" {
	publish short "$(token short --type publish)"
	local publisher=$PUBLISHER viewers=()
	for url in "rtmp://$RTMP/live/short" "srt://$SRT?streamid=#!::r=live/short,m=request" "http://$HTTP/live/streams/short."{flv,ts,m3u8} \
		"whep+http://$HTTP/live/whep/short" "webrtc://$HTTP/live/short"; do
		"$BIN/tokenctl" create short --count 2 --quiet >"$DIR/tokens-${#viewers[@]}"
		timeout 60 "$BIN/streamplay" "$url" --clients 2 --tokens "$DIR/tokens-${#viewers[@]}" --json >"$DIR/end-${#viewers[@]}" 2>&1 3>&- &
		viewers+=($!)
	done
	for _ in $(seq 200); do
		"$BIN/tokenctl" sessions --json | jq -e '[.items[] | select(.streamId == "short" and .type == "play" and .bytes > 150000)] | length == 14' >/dev/null && break
		sleep 0.1
	done
	stop "$publisher"
	failed=0
	for i in "${!viewers[@]}"; do
		wait "${viewers[$i]}" || failed=1
		cat "$DIR/end-$i"
		jq -e '.exit == 0 and .clients.served == 2 and .clients.frames.min > 0' "$DIR/end-$i" || failed=1
	done
	[ "$failed" -eq 0 ]
}

@test "whoever is shown out is told that, and not to look for another token" {
	publish out "$(token out --type publish)"
	for url in "rtmp://$RTMP/live/out" "http://$HTTP/live/streams/out.m3u8"; do
		play "$url" out >"$DIR/out-of-it" 2>&1 &
		viewer=$!
		for _ in $(seq 200); do
			id=$("$BIN/tokenctl" sessions --stream out --type play --json | jq -r '.items[] | select(.bytes > 150000) | .id')
			[ -z "$id" ] || break
			sleep 0.05
		done
		"$BIN/tokenctl" kick "$id"
		status=0
		wait "$viewer" || status=$?
		cat "$DIR/out-of-it"
		[ "$status" -eq 4 ]
		grep -q 'the gate ended the session' "$DIR/out-of-it"
	done
	stop "$PUBLISHER"
}

@test "a server that is being stopped has refused nobody" { # the last one: it stops the server
	publish last "$(token last --type publish)"
	play "rtmp://$RTMP/live/last" last >"$DIR/stopped" 2>&1 &
	viewer=$!
	for _ in $(seq 200); do
		"$BIN/tokenctl" sessions --stream last --type play --json | jq -e '.items | any(.bytes > 150000)' >/dev/null && break
		sleep 0.05
	done
	stop_streamd
	stop "$PUBLISHER"
	status=0
	wait "$viewer" || status=$?
	cat "$DIR/stopped"
	[ "$status" -eq 1 ]
	grep -q 'the server is being stopped' "$DIR/stopped"
}

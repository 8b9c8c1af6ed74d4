#!/usr/bin/env bats
# WebRTC with streamplay as the peer: what comes in over WHIP plays everywhere, what comes in over RTMP plays
# over WHEP; sessions that end; bad lines.

load e2e.bash

setup_file() {
	make_source
	make_webrtc_source
	# The relay stands at another address with the server's port.
	export WEBRTC_IP=127.0.0.9
	start_streamd
	relay
	publish cam "$(token cam --type publish)"
	export PUBLISHER
	whip live
	export WHIP
}

teardown_file() {
	stop "$WHIP"
	stop "$PUBLISHER"
	stop_relay
	stop_streamd
}

# The line, one at a time: its process id stands in $DIR/relay.pid, for tests share no variables.
relay() { # [options of udp_relay.py]
	: >"$DIR/relay"
	python3 "$BATS_TEST_DIRNAME/udp_relay.py" 127.0.0.9 127.0.0.1 "${WEBRTC##*:}" --seconds 300 "$@" >"$DIR/relay" 3>&- &
	echo $! >"$DIR/relay.pid"
	until grep -q ready "$DIR/relay"; do sleep 0.05; done
}

stop_relay() {
	local pid
	pid=$(cat "$DIR/relay.pid")
	kill "$pid"
	while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
}

whip() { # stream: publishes in the background until it is stopped; sets WHIP
	STREAMGATE_TOKEN=$(token "$1" --type publish) timeout 200 "$BIN/streamplay" --publish "$WEBRTC_SOURCE" \
		"http://$HTTP/live/whip/$1" --json >"$DIR/whip-$1" 2>&1 3>&- &
	WHIP=$!
	wait_live "$1"
}

play() { # URL stream [options]: streamplay's JSON
	STREAMGATE_TOKEN=$(token "$2") "$BIN/streamplay" "$1" --no-window --json "${@:3}"
}

@test "WHIP to WHEP: picture and sound, as they came" {
	run play "whep+http://$HTTP/live/whep/live" live --duration 3s --expect 'video=h264,audio=opus,fps>=25'
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(jq .lost <<<"$output")" = 0 ]
	jq -e '.webrtc | .packetsReceived > 100 and .packetsLost == 0 and .nackCount == 0 and
		.retransmittedPacketsReceived == 0' <<<"$output"
	[ "$(jq '.startupMs < 1500' <<<"$output")" = true ]
}

@test "the link of WHEP is played as tokenctl prints it" {
	run "$BIN/streamplay" "http://$HTTP/live/whep/live?token=$(token live)" --no-window --json --duration 1s --expect 'video=h264'
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "WHIP to the WebSocket, HLS, FLV and TS" {
	for url in "webrtc://$HTTP/live/live" "http://$HTTP/live/streams/live.m3u8" "http://$HTTP/live/streams/live.flv" \
		"http://$HTTP/live/streams/live.ts"; do
		run play "$url" live --duration 2s --expect 'video=h264,fps>=25'
		echo "$url: $output"
		[ "$status" -eq 0 ]
	done
}

@test "RTMP to WHEP: the first picture within half a second" {
	run play "whep+http://$HTTP/live/whep/cam" cam --duration 3s --expect 'video=h264,fps>=25'
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(jq '.video.decoded >= 75' <<<"$output")" = true ]
}

@test "REST tells of the line" {
	STREAMGATE_TOKEN=$(token live) "$BIN/streamplay" "whep+http://$HTTP/live/whep/live" --no-window --duration 60s \
		>"$DIR/line" 2>&1 3>&- &
	viewer=$!
	key=$("$BIN/tokenctl" apikey create --label test --quiet)
	for _ in $(seq 200); do # the first report of the viewer gives the round trip
		curl -sf -H "Authorization: Bearer $key" "http://$HTTP/api/v1/sessions?streamId=live&app=live" >"$DIR/sessions"
		jq -e '.items[] | select(.protocol == "whep").webrtc | .rttMs != null and .bitRate > 0' "$DIR/sessions" >/dev/null && break
		sleep 0.1
	done
	kill "$viewer"
	wait "$viewer" || true
	cat "$DIR/sessions"
	jq -e '.items[] | select(.protocol == "whep").webrtc | .rttMs >= 0 and .rttMs < 2000 and .loss >= 0 and .loss <= 1
		and .bitRate > 0 and .packets > 0 and .transport == "udp" and .video == "h264" and .audio == "opus"' "$DIR/sessions"
	jq -e '.items[] | select(.protocol == "whip").webrtc | .rttMs >= 0 and .rttMs < 2000 and .packets > 0 and .video == "h264" and .audio == "opus"' "$DIR/sessions"
}

@test "a viewer that is shown out is gone within a second" {
	STREAMGATE_TOKEN=$(token live) "$BIN/streamplay" "whep+http://$HTTP/live/whep/live" --no-window --duration 30s \
		>"$DIR/kicked" 2>&1 3>&- &
	viewer=$!
	for _ in $(seq 100); do
		id=$("$BIN/tokenctl" sessions --json | jq -r '[.items[] | select(.protocol == "whep" and .state == "active")][0].id')
		[ "$id" = null ] || break
		sleep 0.05
	done
	[ "$id" != null ]
	before=$(date +%s%N)
	"$BIN/tokenctl" kick "$id"
	wait "$viewer" || true
	[ $((($(date +%s%N) - before) / 1000000)) -lt 2000 ]
	last_audit_is reason kicked
}

@test "a publisher that is killed frees its stream for the next token" {
	whip again
	first=$WHIP
	pkill -KILL -P "$first"
	wait "$first" || true
	for _ in $(seq 400); do # consent runs out (RFC 7675)
		"$BIN/tokenctl" sessions --json | jq -e '.items | all(.streamId != "again")' >/dev/null && break
		sleep 0.1
	done
	whip again
	stop "$WHIP"
}

@test "twenty viewers at once, each with a token of its own" {
	"$BIN/tokenctl" create live --count 20 --quiet >"$DIR/twenty"
	run "$BIN/streamplay" "whep+http://$HTTP/live/whep/live" --clients 20 --tokens "$DIR/twenty" --duration 4s --json
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(jq .clients.served <<<"$output")" = 20 ]
}

# A relay with losses at a port of the server's own address book: 1, 5 and 10 percent, with reordering.
@test "the picture goes on over lines that lose and reorder, and the losses are counted" {
	before=0
	for loss in 1 5 10; do
		stop_relay
		relay --loss "$loss" --delay 5 --jitter 10
		run play "whep+http://$HTTP/live/whep/cam" cam --duration 6s
		echo "$loss %: $output" | tee -a "$DIR/losses" >&2
		[ "$status" -eq 0 ]
		[ "$(jq '.video.decoded' <<<"$output")" -ge 100 ]
		# What the line lost is asked for again, and most of it comes in time; more is asked where more is lost.
		jq -e --argjson loss "$loss" --argjson before "$before" '.webrtc | .nackCount > $before and
			.retransmittedPacketsReceived > 0 and .packetsLost <= .packetsReceived * $loss / 100 and
			.jitter > 0.0005 and .jitter < 0.2 and .freezeCount >= 0 and
			(.freezeCount > 0) == (.totalFreezesDuration > 0)' <<<"$output"
		before=$(jq .webrtc.nackCount <<<"$output")
	done
	cat "$DIR/losses"
}

@test "a line that stands still for a second is a freeze, which the summary tells" {
	stop_relay
	relay
	STREAMGATE_TOKEN=$(token cam) "$BIN/streamplay" "whep+http://$HTTP/live/whep/cam" --no-window --duration 5s \
		>"$DIR/frozen" 2>&1 3>&- &
	viewer=$!
	for _ in $(seq 100); do # a while in which it plays
		"$BIN/tokenctl" sessions --json | jq -e '.items | any(.protocol == "whep" and .streamId == "cam" and .bytes > 100000)' \
			>/dev/null && break
		sleep 0.05
	done
	kill -STOP "$(cat "$DIR/relay.pid")"
	sleep 1 # the length of the freeze: what is measured
	kill -CONT "$(cat "$DIR/relay.pid")"
	wait "$viewer"
	cat "$DIR/frozen"
	[[ $(cat "$DIR/frozen") =~ lost\ [0-9]+\ \ nacks\ [0-9]+\ \ retransmissions\ [0-9]+\ \ freezes\ [1-9][0-9]*\ \ jitter\ [0-9.]+\ ms$ ]]
}

# A third of a second there and back: more than the pause between two checks, and than a gap is waited for nearby.
@test "a server far away is found, and what the line loses is had again" {
	stop_relay
	relay --delay 160 --loss 3
	run play "whep+http://$HTTP/live/whep/cam" cam --duration 6s
	echo "$output"
	[ "$status" -eq 0 ]
	# Of 30 or so: sound is not asked for again, nor what is asked for for ever.
	jq -e '.webrtc | .retransmittedPacketsReceived * 2 > .packetsLost' <<<"$output"
	[ "$(jq '.video.decoded' <<<"$output")" -ge 120 ]
}

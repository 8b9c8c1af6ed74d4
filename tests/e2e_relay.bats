#!/usr/bin/env bats
# Streams that go on to, and come from, servers elsewhere: a second streamd is the far end, and dies.

load e2e.bash
load e2e_relay.bash

far_sees() { # stream protocol: published there, and playing
	for _ in $(seq 200); do
		far sessions --json | jq -e --arg s "$1" --arg p "$2" \
			'.items | any(.streamId == $s and .type == "publish" and .protocol == $p and .state == "active")' >/dev/null && return 0
		sleep 0.1
	done
	far sessions
	cat "$DIR/err"
	return 1
}

@test "a live stream goes on over RTMP, also after its far end was killed" {
	start_far
	t=$(far create cam --type publish --max-uses 5 --quiet)
	start_near "forward = rtmp://127.0.0.1:$FAR_RTMP/live/{stream}?token=$t"
	publish_near cam
	far_sees cam rtmp
	relay '.direction == "push" and .streamId == "cam" and .state == "running" and .bytes > 0'
	[ "$(frames "http://127.0.0.1:$FAR_HTTP/live/streams/cam.flv?token=$(far create cam --quiet)")" -ge 40 ]
	stop_far KILL
	relay '.direction == "push" and .state == "waiting" and .failures > 0 and .problem != null'
	start_far
	far_sees cam rtmp
	relay '.direction == "push" and .state == "running"'
	curl -sf "http://$HTTP/metrics" | grep -q '^streamgate_relays{direction="push",state="running"} 1$'
	# Its token stands in no log, and in no answer.
	run grep -rlF -e "$t" "$DIR/err" "$DIR/out" "$BATS_TEST_TMPDIR/relays"
	[ -z "$output" ]
	# With its publisher gone the line ends too, when the stream's gap is over: 30 s after one that was cut off.
	stop "$CLIENT"
	for _ in $(seq 450); do
		curl -sf -H "Authorization: Bearer $KEY" "http://$HTTP/api/v1/relays" | jq -e '.items == []' >/dev/null && break
		sleep 0.1
	done
	curl -sf -H "Authorization: Bearer $KEY" "http://$HTTP/api/v1/relays" | jq -e '.items == []'
}

@test "a live stream goes on over SRT" {
	start_far
	t=$(far create cam --type publish --max-uses 5 --quiet)
	start_near "forward = srt://127.0.0.1:$FAR_SRT?streamid=#!::r=live/{stream},m=publish,token=$t"
	publish_near cam
	far_sees cam srt
	[ "$(frames "http://127.0.0.1:$FAR_HTTP/live/streams/cam.flv?token=$(far create cam --quiet)")" -ge 40 ]
	stop_far KILL
	relay '.direction == "push" and .state == "waiting"'
	start_far
	far_sees cam srt
}

@test "a pull comes when somebody watches, and goes when nobody does" {
	start_far
	t=$(far create cam --max-uses 20 --quiet)
	start_near "play_token = on
		[pull cam]
		url = rtmp://127.0.0.1:$FAR_RTMP/live/cam?token=$t"
	publish_far cam
	relay '.direction == "pull" and .streamId == "cam" and .state == "idle"'
	# Its viewers pass the gate like any.
	[ "$(http_status /live/streams/cam.flv)" = 401 ]
	relay '.state == "idle"'
	near=$(token cam)
	[ "$(frames "rtmp://$RTMP/live/cam?token=$near")" -ge 40 ]
	[ "$(uses "$near" cam)" = 1 ]
	relay '.state == "running"'
	[ "$(frames "http://$HTTP/live/streams/cam.m3u8?token=$(token cam)")" -ge 40 ]
	[ "$(frames "srt://$SRT?streamid=#!::r=live/cam,token=$(token cam)")" -ge 40 ]
	# The playlist's session ends first; then the pull.
	id=$("$BIN/tokenctl" sessions --json | jq -r '.items[0].id')
	[ "$id" = null ] || "$BIN/tokenctl" kick "$id"
	for _ in $(seq 60); do
		curl -sf -H "Authorization: Bearer $KEY" "http://$HTTP/api/v1/relays" | jq -e '.items[0].state == "idle"' >/dev/null && break
		sleep 1
	done
	relay '.state == "idle"'
	run grep -rlF -e "$t" "$DIR/err" "$DIR/out" "$BATS_TEST_TMPDIR/relays"
	[ -z "$output" ]
}

@test "a pull that cannot be opened tells whether anybody answers, or refuses it" {
	start_far
	start_near "[pull none]
		url = rtmp://127.0.0.1:1/live/cam
		when = always
		[pull wrong]
		url = http://127.0.0.1:$FAR_HTTP/live/streams/cam.flv?token=wrong
		when = always
		[pull gone]
		url = http://127.0.0.1:$FAR_HTTP/live/streams/cam.m3u8?token=$(far create cam --max-uses 20 --quiet)
		when = always"
	relay '.streamId == "none" and .problem == "nobody answers there"'
	relay '.streamId == "wrong" and .problem == "it refuses us"'
	relay '.streamId == "gone" and .problem == "there is no such stream"'
}

@test "what is always pulled is there again after its far end was killed; over SRT" {
	start_far
	t=$(far create cam --max-uses 20 --quiet)
	start_near "[pull here]
		url = srt://127.0.0.1:$FAR_SRT?streamid=#!::r=live/cam,token=$t
		when = always"
	relay '.streamId == "here" and .state == "waiting" and .failures > 1' # nothing is live there yet
	[ "$(http_status /live/streams/here.flv)" = 404 ]
	publish_far cam
	relay '.state == "running" and .failures == 0 and .problem == null'
	start ffmpeg -v error -nostdin -i "rtmp://$RTMP/live/here" -t 60 -f null -
	viewer=$CLIENT
	[ "$(frames "http://$HTTP/live/streams/here.ts")" -ge 40 ]
	stop_far KILL
	relay '.state == "waiting"'
	start_far
	publish_far cam
	relay '.state == "running"'
	kill -0 "$viewer" # it waited
	[ "$(frames "http://$HTTP/live/streams/here.flv")" -ge 40 ]
}

@test "a pull from HLS" {
	start_far
	publish_far cam
	far disable play
	curl -sf -m 20 --retry 20 --retry-delay 1 --retry-all-errors -o /dev/null "http://127.0.0.1:$FAR_HTTP/live/streams/cam.m3u8"
	start_near "[pull here]
		url = http://127.0.0.1:$FAR_HTTP/live/streams/cam.m3u8"
	[ "$(frames "http://$HTTP/live/streams/here.flv")" -ge 40 ]
	relay '.state == "running" and .bytes > 0'
}

# Waits until an encoder that tries to publish has given up.
try_publish() { # stream token
	run timeout 20 ffmpeg -v error -nostdin -re -i "$SOURCE" -c copy -f flv "rtmp://$RTMP/live/$1?token=$2"
	[ "$status" != 0 ]
}

@test "a stream that is pulled is refused to an encoder, which keeps its token" {
	start_far
	far disable play
	start_near "publish_token = on
		[pull cam]
		url = rtmp://127.0.0.1:$FAR_RTMP/live/cam
		[pull spare]
		url = rtmp://127.0.0.1:$FAR_RTMP/live/spare
		when = always"
	publish_far cam
	# Nobody watches: it is anybody's who has a token, and the pull leaves it to them.
	t=$(token cam --type publish)
	start ffmpeg -v error -nostdin -re -stream_loop -1 -i "$SOURCE" -c copy -f flv "rtmp://$RTMP/live/cam?token=$t"
	encoder=$CLIENT
	wait_live cam
	[ "$(frames "http://$HTTP/live/streams/cam.flv")" -ge 40 ]
	relay '.streamId == "cam" and .state == "idle" and .failures == 0'
	stop "$encoder"
	# One that runs is not.
	publish_far spare
	relay '.streamId == "spare" and .state == "running"'
	t=$(token spare --type publish)
	try_publish spare "$t"
	last_audit_is reason already_publishing
	[ "$(uses "$t" spare publish)" = 0 ]
	# It fell silent: the stream is there, in its gap, and the next encoder may have it.
	stop_far KILL
	relay '.streamId == "spare" and .state == "waiting"'
	start ffmpeg -v error -nostdin -re -stream_loop -1 -i "$SOURCE" -c copy -f flv "rtmp://$RTMP/live/spare?token=$t"
	wait_live spare
	[ "$(uses "$t" spare publish)" = 1 ]
	# That is told once, however often it is looked at; and when it has ended the pull goes on at once.
	relay '.streamId == "spare" and .problem == "somebody publishes it here"'
	[ "$(frames "http://$HTTP/live/streams/spare.flv")" -ge 40 ]
	[ "$(frames "http://$HTTP/live/streams/spare.flv")" -ge 40 ]
	[ "$(grep -c "live/spare .*somebody publishes it here" "$DIR/err")" = 1 ]
	[ "$(grep -c "somebody publishes it here: again in" "$DIR/err")" = 0 ]
	start_far
	publish_far spare
	"$BIN/tokenctl" kick "$("$BIN/tokenctl" sessions --json | jq -r '.items[] | select(.streamId == "spare" and .type == "publish") | .id')"
	relay '.streamId == "spare" and .state == "running"'
}

silent_far() { # takes connections and says nothing, until it is stopped: sets CLIENT
	start python3 -c "
import socket
s = socket.create_server(('127.0.0.1', $FAR_RTMP))
kept = []
while True: kept.append(s.accept())"
}

# Every token of TOKENS is held by an attempt, none is spent.
all_are_held() {
	local n
	for _ in $(seq 200); do
		n=$("$BIN/tokenctl" sessions --json | jq '[.items[] | select(.state == "held")] | length')
		[ "$n" != "${#TOKENS[@]}" ] || break
		sleep 0.1
	done
	"$BIN/tokenctl" sessions
	[ "$n" = "${#TOKENS[@]}" ]
	none_is_spent
}

none_is_spent() {
	for s in "${!TOKENS[@]}"; do [ "$(uses "${TOKENS[$s]}" "$s")" = 0 ]; done
}

@test "whoever waits for a pull whose far end says nothing has spent nothing" {
	conf="play_token = on"
	declare -gA TOKENS URLS
	for s in rtmp flv ts hls dash srt; do conf+="
		[pull $s]
		url = rtmp://127.0.0.1:$FAR_RTMP/live/cam"; done
	silent_far
	silent=$CLIENT
	start_near "$conf"
	for s in rtmp flv ts hls dash srt; do TOKENS[$s]=$(token "$s"); done
	URLS=(
		[rtmp]="rtmp://$RTMP/live/rtmp?token=${TOKENS[rtmp]}"
		[flv]="http://$HTTP/live/streams/flv.flv?token=${TOKENS[flv]}"
		[ts]="http://$HTTP/live/streams/ts.ts?token=${TOKENS[ts]}"
		[hls]="http://$HTTP/live/streams/hls.m3u8?token=${TOKENS[hls]}"
		[dash]="http://$HTTP/live/streams/dash.mpd?token=${TOKENS[dash]}"
		[srt]="srt://$SRT?streamid=#!::r=live/srt,token=${TOKENS[srt]}"
	)
	viewers=
	for s in "${!URLS[@]}"; do
		start ffmpeg -v error -nostdin -i "${URLS[$s]}" -t 1 -f null -
		viewers="$viewers $CLIENT"
	done
	all_are_held
	stop "$silent"
	for v in $viewers; do
		left=0
		wait "$v" || left=$?
		[ "$left" != 0 ]
		[ "$left" != 124 ] # told that nothing is there
	done
	none_is_spent
	[ "$("$BIN/tokenctl" sessions --json | jq '.items | length')" = 0 ]
	# When it is there again the same tokens open it.
	start_far
	far disable play
	publish_far cam
	for s in "${!URLS[@]}"; do
		relay ".streamId == \"$s\" and (.state == \"running\" or .state == \"idle\")"
		[ "$(frames "${URLS[$s]}")" -ge 40 ]
		[ "$(uses "${TOKENS[$s]}" "$s")" = 1 ]
	done
}

rtsp_far() { # sets CLIENT
	start /usr/bin/python3 "$BATS_TEST_DIRNAME/rtsp_server.py" "$FAR_RTMP"
	for _ in $(seq 200); do
		! grep -q '^ready$' "$BATS_TEST_TMPDIR/client.log" || return 0
		sleep 0.05
	done
	cat "$BATS_TEST_TMPDIR/client.log"
	return 1
}

pictures_come() { # as many as there should be, once the source's encoder has begun
	for _ in $(seq 5); do
		[ "$(frames "http://$HTTP/live/streams/here.flv")" -lt 40 ] || return 0
	done
	return 1
}

@test "a pull from RTSP, over TCP; a path that is not there; a server that goes and comes" {
	rtsp_far
	server=$CLIENT
	start_near "[pull here]
		url = rtsp://127.0.0.1:$FAR_RTMP/cam
		[pull wrong]
		url = rtsp://127.0.0.1:$FAR_RTMP/cam2
		when = always"
	relay '.streamId == "wrong" and .state == "waiting" and .problem == "there is no such stream"'
	[ "$(http_status /live/streams/wrong.flv)" = 404 ]
	start ffmpeg -v error -nostdin -i "rtmp://$RTMP/live/here" -t 100 -f null -
	viewer=$CLIENT
	relay '.streamId == "here" and .state == "running"'
	pictures_come
	curl -sf -H "Authorization: Bearer $KEY" "http://$HTTP/api/v1/streams/live/here" |
		jq -e '.video.codec == "h264" and .audio.codec == "aac"'
	kill -9 "$(pgrep -P "$server")" # the far end says no goodbye
	relay '.streamId == "here" and .state == "waiting"'
	rtsp_far
	relay '.streamId == "here" and .state == "running"'
	kill -0 "$viewer" # it waited
	pictures_come
}

# The far end has TLS, with a certificate that is signed by itself, for `name`.
far_has_tls() { # name
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" \
		-addext "subjectAltName = DNS:$1" -keyout "$FAR/key.pem" -out "$FAR/cert.pem" 2>/dev/null
	sed -i "s|^\[http\]\$|&\ntls_listen = 127.0.0.1:0\ntls_cert = $FAR/cert.pem\ntls_key = $FAR/key.pem|
		s|^\[rtmp\]\$|&\ntls_listen = 127.0.0.1:0|" "$FAR/sg.conf"
	start_far
	FAR_RTMPS=$(sed -n 's/^listening rtmps .*://p' "$FAR/out")
	FAR_HTTPS=$(sed -n 's/^listening https .*://p' "$FAR/out")
}

@test "a live stream goes on over RTMPS, to a far end whose certificate is trusted" {
	far_has_tls localhost
	t=$(far create cam --type publish --max-uses 5 --quiet)
	forward="forward = rtmps://localhost:$FAR_RTMPS/live/{stream}?token=$t"
	start_near "$forward"
	publish_near cam
	untrusted="its certificate is not trusted, or not for this name ([relay] tls_ca)"
	relay ".direction == \"push\" and .state == \"waiting\" and .problem == \"$untrusted\""
	grep -qF "relay: live/cam to rtmps://localhost:$FAR_RTMPS/live/[redacted]: $untrusted: again in" "$DIR/err"
	[ "$(far show "$(far check - --stream cam --type publish --json <<<"$t" | jq -r .id)" --json | jq .uses)" = 0 ]
	# Named, it is.
	printf '[relay]\ntls_ca = %s\n' "$FAR/cert.pem" >>"$DIR/sg.conf"
	kill -HUP "$STREAMD_PID"
	relay '.direction == "push" and .state == "running"'
	far_sees cam rtmp
	[ "$(frames "http://127.0.0.1:$FAR_HTTP/live/streams/cam.flv?token=$(far create cam --quiet)")" -ge 40 ]
	# But not under another name.
	sed -i "s/rtmps:..localhost/rtmps:\/\/127.0.0.1/" "$DIR/sg.conf"
	kill -HUP "$STREAMD_PID"
	relay ".direction == \"push\" and .state == \"waiting\" and .problem == \"$untrusted\""
	[ "$(grep -cF -e "$t" "$DIR/err")" = 0 ]
}

@test "a certificate is checked where a stream is pulled from, and of what its playlist names" {
	far_has_tls localhost
	publish_far cam
	far disable play
	curl -sfk -m 20 --retry 20 --retry-delay 1 --retry-all-errors -o /dev/null "https://127.0.0.1:$FAR_HTTPS/live/streams/cam.m3u8"
	# A playlist from where nothing is checked names one where something is.
	printf '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhttps://localhost:%s/live/streams/cam.m3u8\n' "$FAR_HTTPS" \
		>"$BATS_TEST_TMPDIR/far.m3u8"
	read -r plain _ < <(free_ports)
	start python3 -m http.server --bind 127.0.0.1 --directory "$BATS_TEST_TMPDIR" "$plain"
	start_near "[pull rtmps]
		url = rtmps://localhost:$FAR_RTMPS/live/cam
		when = always
		[pull https]
		url = https://localhost:$FAR_HTTPS/live/streams/cam.m3u8
		when = always
		[pull named]
		url = http://127.0.0.1:$plain/far.m3u8
		when = always"
	for s in rtmps https; do
		relay ".streamId == \"$s\" and .state == \"waiting\" and (.problem | startswith(\"its certificate is not trusted\"))"
	done
	relay '.streamId == "named" and .state == "waiting"'
	printf '[relay]\ntls_ca = %s\n' "$FAR/cert.pem" >>"$DIR/sg.conf"
	kill -HUP "$STREAMD_PID"
	for s in rtmps https named; do relay ".streamId == \"$s\" and .state == \"running\""; done
	run "$BIN/streamd" --check-config --config <(printf '[relay]\ntls_ca = /gone\n')
	[ "$status" = 2 ]
	[ "$output" = "streamd: [relay] tls_ca = /gone: No such file or directory: name a file of certificates (PEM)" ]
}

@test "a live stream goes on over SRT to an IPv6 address" {
	sed -i "s/127.0.0.1:$FAR_SRT/[::1]:$FAR_SRT/" "$FAR/sg.conf"
	start_far
	t=$(far create cam --type publish --quiet)
	start_near "forward = srt://[::1]:$FAR_SRT?streamid=#!::r=live/{stream},m=publish,token=$t"
	publish_near cam
	far_sees cam srt
	relay '.direction == "push" and .state == "running"'
	[ "$(frames "http://127.0.0.1:$FAR_HTTP/live/streams/cam.flv?token=$(far create cam --quiet)")" -ge 40 ]
}

@test "SIGHUP reads the pulls again: what is new begins, what is gone ends, what moved goes on from there" {
	start_far
	far disable play
	publish_far one
	publish_far two
	start_near "[pull moves]
		url = rtmp://127.0.0.1:$FAR_RTMP/live/one
		when = always
		[pull stays]
		url = rtmp://127.0.0.1:$FAR_RTMP/live/one
		when = always
		[pull goes]
		url = rtmp://127.0.0.1:$FAR_RTMP/live/one
		when = always"
	for s in moves stays goes; do relay ".streamId == \"$s\" and .state == \"running\""; done
	since=$(jq '.items[] | select(.streamId == "stays") | .since' "$BATS_TEST_TMPDIR/relays")
	start ffmpeg -v error -nostdin -i "rtmp://$RTMP/live/moves" -t 100 -f null -
	viewer=$CLIENT
	for _ in $(seq 100); do
		"$BIN/tokenctl" sessions --json | jq -e '.items | any(.type == "play" and .streamId == "moves" and .bytes > 0)' && break
		sleep 0.1
	done
	sed -i "/^\s*\[pull goes/,\$d; /^\[pull moves/,/when/s/one/two/" "$DIR/sg.conf"
	printf '[pull new]\nurl = rtmp://127.0.0.1:%s/live/two\n' "$FAR_RTMP" >>"$DIR/sg.conf"
	kill -HUP "$STREAMD_PID"
	relay '.streamId == "new" and .state == "idle"'
	for _ in $(seq 100); do
		far sessions --json | jq -e '[.items[] | select(.type == "play") | .streamId] | sort == ["one", "two"]' && break
		sleep 0.1
	done
	relay '.streamId == "moves" and .state == "running"'
	jq -e '.items | all(.streamId != "goes")' "$BATS_TEST_TMPDIR/relays"
	[ "$(http_status /live/streams/goes.flv)" = 404 ]
	[ "$(frames "http://$HTTP/live/streams/moves.flv")" -ge 40 ]
	kill -0 "$viewer" # it waited
	relay ".streamId == \"stays\" and .state == \"running\" and .since == $since"
	# When it is pulled may change without a break.
	sed -i "/^\s*\[pull stays/,/when/s/always/watched/" "$DIR/sg.conf"
	kill -HUP "$STREAMD_PID"
	relay '.streamId == "stays" and .state == "idle"'
	# A mistake leaves all as it is.
	echo "[pull bad" >>"$DIR/sg.conf"
	kill -HUP "$STREAMD_PID"
	relay '.streamId == "moves" and .state == "running"'
}

log_time() { # text: when the log first had it, in seconds
	date -d "$(grep -m 1 -F -e "$1" "$DIR/err" | cut -d " " -f 1)" +%s
}

@test "a source whose clock jumps is not held back for that" {
	local jump=$BATS_TEST_TMPDIR/jump.ts port
	ffmpeg -v error -nostdin -i "$SOURCE" -c copy -output_ts_offset 24 -f mpegts "$BATS_TEST_TMPDIR/later.ts"
	cat "$TS_SOURCE" "$BATS_TEST_TMPDIR/later.ts" >"$jump" # 8 s of it; the clock says 28
	read -r port _ < <(free_ports)
	start python3 -m http.server --bind 127.0.0.1 --directory "$BATS_TEST_TMPDIR" "$port"
	start_near "[pull here]
		url = http://127.0.0.1:$port/jump.ts
		when = always"
	relay '.state == "running"'
	relay '.state == "waiting" and .problem == "it ended, or fell silent"'
	[ $(($(log_time ": it ended, or fell silent") - $(log_time "relay: pulls live/here"))) -lt 12 ]
}

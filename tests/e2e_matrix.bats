#!/usr/bin/env bats
# Every protocol against every kind of token: the verdict, what the peer is told, what the audit says.
# The table is the same for all; a protocol is one function that tries a token and prints what came.

load e2e.bash

setup_file() {
	make_source
	make_ts_source
	make_webrtc_source
	start_streamd
	# One that other tests play; and a recording of the same name.
	publish cam "$(token cam --type publish)"
	export PUBLISHER
	ffmpeg -v error -nostdin -i "$SOURCE" -c copy -t 2 -movflags +faststart "$DIR/rec/live/cam.mp4"
}

teardown_file() {
	stop "$PUBLISHER"
	stop_streamd
}

# ---- the protocols: try STREAM TOKEN, print "admitted", "missing" (none given) or "refused" ----

http_answer() { # path token
	local status
	status=$(http_status "$1${2:+?token=$2}")
	case $status in
	200 | 206) echo admitted ;;
	401) echo missing ;;
	403) echo refused ;;
	*) echo "status $status" ;;
	esac
}
hls_try() { http_answer "/live/streams/$1.m3u8" "$2"; }
flv_try() { http_answer "/live/streams/$1.flv" "$2"; }
ts_try() { http_answer "/live/streams/$1.ts" "$2"; }
mp4_try() { http_answer "/live/streams/$1.mp4" "$2"; }
streamplay_try() { # token URL [options]
	local status=0
	STREAMGATE_TOKEN=$1 "$BIN/streamplay" "${@:2}" --duration 500ms >"$DIR/play.log" 2>&1 || status=$?
	case $status in
	0) echo admitted ;;
	4) [ -n "$1" ] && echo refused || echo missing ;;
	*) echo "exit $status: $(cat "$DIR/play.log")" ;;
	esac
}
rtmp_play_try() { streamplay_try "$2" "rtmp://$RTMP/live/$1" --no-window; }
whep_try() { streamplay_try "$2" "whep+http://$HTTP/live/whep/$1" --no-window; }
websocket_play_try() { streamplay_try "$2" "webrtc://$HTTP/live/$1" --no-window; }
whip_try() { streamplay_try "$2" "http://$HTTP/live/whip/$1" --publish "$WEBRTC_SOURCE"; }
rtmp_publish_try() {
	local status=0
	timeout 10 ffmpeg -v error -nostdin -re -i "$SOURCE" -c copy -t 0.5 -f flv \
		"rtmp://$RTMP/live/$1${2:+?token=$2}" >"$DIR/pub.log" 2>&1 || status=$?
	if [ "$status" -eq 0 ]; then
		echo admitted
	elif grep -q 'Not allowed' "$DIR/pub.log"; then
		[ -n "$2" ] && echo refused || echo missing
	else
		echo "exit $status: $(cat "$DIR/pub.log")"
	fi
}

srt_answer() { # stream id [file to publish]
	local answer
	answer=$("$BIN/tests/srt_call" "$SRT" "$@")
	case $answer in
	1401) echo missing ;;
	1403) echo refused ;;
	*) echo "$answer" ;;
	esac
}
srt_play_try() { srt_answer "#!::r=live/$1${2:+,token=$2}"; }
srt_publish_try() { srt_answer "live/$1${2:+,token=$2}" "$TS_SOURCE"; }

# ---- the table ----

# expect PROTOCOL TRY STREAM TOKEN ANSWER EVENT REASON
expect() {
	local got row
	got=$("$2" "$3" "$4")
	for _ in $(seq 40); do # the audit is written behind the answer
		row=$("$BIN/tokenctl" audit --json --limit 20 |
			jq -r --arg p "$1" --argjson after "$SEEN" \
				'[.items[] | select(.seq > $after and .protocol == $p and .event != "ended")][0] | "\(.event) \(.reason)"')
		[ "$row" = "null null" ] || break
		sleep 0.05
	done
	SEEN=$("$BIN/tokenctl" audit --json --limit 1 | jq .items[0].seq)
	if [ "$got" != "$5" ] || [ "$row" != "$6 $7" ]; then
		echo "$1, $8: got '$got' and in the audit '$row', not '$5' and '$6 $7'"
		return 1
	fi
}

matrix() { # protocol try type stream
	local protocol=$1 try=$2 type=$3 s=$4 other good expired
	[ "$type" = play ] && other=publish || other=play
	SEEN=$("$BIN/tokenctl" audit --json --limit 1 | jq .items[0].seq)
	expired=$(token "$s" --type "$type" --expires 1s)
	expect "$protocol" "$try" "$s" "" missing refused missing_token "no token"
	expect "$protocol" "$try" "$s" AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA refused refused unknown_token "unknown"
	expect "$protocol" "$try" "$s" not-a-token refused refused unknown_token "no such shape"
	expect "$protocol" "$try" "$s" "$(token other --type "$type")" refused refused wrong_stream "wrong stream"
	expect "$protocol" "$try" "$s" "$(token "$s" --type "$other")" refused refused wrong_type "wrong type"
	good=$(token "$s" --type "$type")
	"$BIN/tokenctl" revoke "$(token_id "$good" "$s" "$type")"
	expect "$protocol" "$try" "$s" "$good" refused refused revoked "revoked"
	good=$(token "$s" --type "$type")
	expect "$protocol" "$try" "$s" "$good" admitted admitted "" "good"
	[ "$(uses "$good" "$s" "$type")" = 1 ]
	expect "$protocol" "$try" "$s" "$good" refused refused used "used"
	[ "$(uses "$good" "$s" "$type")" = 1 ]
	until "$BIN/tokenctl" check - --stream "$s" --type "$type" --json <<<"$expired" | grep -q '"expired"'; do sleep 0.1; done
	expect "$protocol" "$try" "$s" "$expired" refused refused expired "expired"
}

@test "RTMP publish" { matrix rtmp rtmp_publish_try publish pub; }
@test "RTMP play" { matrix rtmp rtmp_play_try play cam; }
@test "SRT publish" { matrix srt srt_publish_try publish srtpub; }
@test "SRT play" { matrix srt srt_play_try play cam; }
@test "WHIP" { matrix whip whip_try publish whip; }
@test "WHEP" { matrix whep whep_try play cam; }
@test "WebRTC by WebSocket, play" { matrix webrtc websocket_play_try play cam; }
@test "HLS" { matrix hls hls_try play cam; }
@test "HTTP-FLV" { matrix flv flv_try play cam; }
@test "HTTP-TS" { matrix ts ts_try play cam; }
@test "recorded MP4" { matrix mp4 mp4_try play cam; }

@test "a token is used once, whatever the protocols" {
	for first in hls_try flv_try ts_try mp4_try rtmp_play_try srt_play_try whep_try websocket_play_try; do
		t=$(token cam)
		[ "$($first cam "$t")" = admitted ]
		for second in hls_try flv_try ts_try mp4_try rtmp_play_try srt_play_try whep_try websocket_play_try; do
			[ "$($second cam "$t")" = refused ]
		done
		[ "$(uses "$t" cam)" = 1 ]
	done
}

# Ninety over HTTP and ten over RTMP, ready before the first of them asks.
@test "of a hundred at once, over all protocols, one is admitted" {
	for _ in 1 2 3; do
		t=$(token cam)
		rm -f "$DIR"/hundred.*
		players=
		for i in $(seq 10); do
			timeout 5 sh -c 'until [ -e "$1/hundred.go" ]; do sleep 0.01; done
				exec rtmpdump -q --live -r "$2" -o "$1/hundred.$3"' - "$DIR" "rtmp://$RTMP/live/cam?token=$t" "$i" 3>&- &
			players="$players $!"
		done
		python3 - "$HTTP" "$t" "$DIR/hundred.go" <<-'END' >"$DIR/http"
			import socket, sys, threading
			host, port = sys.argv[1].split(":")
			forms, start, answers = ("m3u8", "flv", "ts", "mp4"), threading.Barrier(90), []
			open_until_the_end = []

			def come(i):
			    # Addresses of their own, as viewers have.
			    s = socket.create_connection((host, int(port)), 10, (f"127.2.0.{i + 1}", 0))
			    open_until_the_end.append(s)
			    if start.wait() == 0:
			        open(sys.argv[3], "w")
			    s.sendall(f"GET /live/streams/cam.{forms[i % 4]}?token={sys.argv[2]} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
			    answers.append(s.recv(12).decode()[9:])

			threads = [threading.Thread(target=come, args=(i,)) for i in range(90)]
			for t in threads: t.start()
			for t in threads: t.join()
			print(*answers, sep="\n")
		END
		for p in $players; do wait "$p" || true; done
		[ "$(wc -l <"$DIR/http")" = 90 ]
		admitted=$(($(grep -cx 200 "$DIR/http" || true) + $(find "$DIR" -name 'hundred.[0-9]*' -size +0 | wc -l)))
		echo "$admitted admitted; over HTTP: $(sort "$DIR/http" | uniq -c | xargs)"
		[ "$admitted" = 1 ]
		[ "$(uses "$t" cam)" = 1 ]
	done
}

@test "what is not live, and HEAD, spend nothing" {
	t=$(token nobody)
	[ "$(http_status "/live/streams/nobody.m3u8?token=$t")" = 404 ]
	[ "$(http_status "/live/streams/nobody.flv?token=$t")" = 404 ]
	[ "$(http_status "/live/streams/nobody.ts?token=$t")" = 404 ]
	[ "$(http_status "/live/streams/nobody.mp4?token=$t")" = 404 ]
	status=0
	STREAMGATE_TOKEN=$t "$BIN/streamplay" --no-window --duration 1s "rtmp://$RTMP/live/nobody" || status=$?
	[ "$status" = 3 ]
	[ "$(srt_play_try nobody "$t")" = 1404 ]
	[ "$(uses "$t" nobody)" = 0 ]
	t=$(token cam)
	for form in m3u8 flv ts mp4; do
		[ "$(http_status "/live/streams/cam.$form?token=$t" -I)" = 200 ]
	done
	[ "$(uses "$t" cam)" = 0 ]
	# A stranger does not learn whether there is such a stream.
	[ "$(http_status "/live/streams/nobody.m3u8")" = 401 ]
	[ "$(http_status "/live/streams/nobody.m3u8?token=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")" = 403 ]
}

@test "no secret is in what streamd wrote" {
	t=$(token cam)
	hls_try cam "$t"
	[ "$(flv_try cam "$t")" = refused ]
	run grep -rlF --exclude=play.log -e "$t" "$DIR"
	[ -z "$output" ]
}

# What the tests of the relay share: two servers, the near one and the far one, and what the near one says of its lines.

# Two servers: the far one with ports of its own that stay the same when it starts again.
setup() {
	FAR=$BATS_TEST_TMPDIR/far
	DIR=$BATS_TEST_TMPDIR/near
	mkdir -p "$FAR/rec/live" "$DIR/rec/live"
	STARTED=
	make_source
	make_ts_source
	read -r FAR_RTMP FAR_SRT FAR_HTTP < <(free_ports)
	cat >"$FAR/sg.conf" <<-END
		[store]
		url = sqlite:$FAR/streamgate.db
		[http]
		listen = 127.0.0.1:$FAR_HTTP
		[rtmp]
		listen = 127.0.0.1:$FAR_RTMP
		[srt]
		listen = 127.0.0.1:$FAR_SRT
		[webrtc]
		listen =
		[recording]
		path = $FAR/rec
		[app live]
		publish_token = on
		play_token = on
	END
}

teardown() {
	for p in $STARTED; do stop "$p"; done
	stop_streamd
	[ -z "${FAR_PID-}" ] || stop_far TERM
}

free_ports() {
	python3 - <<-'END'
		import socket
		tcp = [socket.socket() for _ in range(2)]
		udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		for s in tcp + [udp]:
		    s.bind(("127.0.0.1", 0))
		print(tcp[0].getsockname()[1], udp.getsockname()[1], tcp[1].getsockname()[1])
	END
}

start_far() {
	: >"$FAR/out"
	STREAMGATE_CONFIG=$FAR/sg.conf timeout --kill-after=5 300 "$BIN/streamd" >>"$FAR/out" 2>>"$FAR/err" 3>&- &
	FAR_JOB=$!
	for _ in $(seq 100); do
		grep -q '^ready$' "$FAR/out" && break
		sleep 0.05
	done
	FAR_PID=$(pgrep -P "$FAR_JOB" streamd)
	[ -n "$FAR_PID" ]
}

stop_far() { # signal
	kill "-$1" "$FAR_PID"
	wait "$FAR_JOB" 2>/dev/null || true
	FAR_PID=
}

far() { STREAMGATE_CONFIG=$FAR/sg.conf "$BIN/tokenctl" "$@"; }

start_near() { # lines of [app live] and below
	WEBRTC_LISTEN='' configure "$1"
	export STREAMGATE_CONFIG=$DIR/sg.conf
	run_streamd
	KEY=$("$BIN/tokenctl" apikey create --quiet)
}

start() { # command...: in the background, ended with its test at the latest: sets CLIENT
	timeout --kill-after=2 120 "$@" >"$BATS_TEST_TMPDIR/client.log" 2>&1 </dev/null 3>&- &
	CLIENT=$!
	STARTED="$STARTED $CLIENT"
}

publish_near() { # stream
	start ffmpeg -v error -nostdin -re -stream_loop -1 -i "$SOURCE" -c copy -f flv "rtmp://$RTMP/live/$1"
	wait_live "$1"
}

publish_far() { # stream
	start ffmpeg -v error -nostdin -re -stream_loop -1 -i "$SOURCE" -c copy -f flv \
		"rtmp://127.0.0.1:$FAR_RTMP/live/$1?token=$(far create "$1" --type publish --quiet)"
	for _ in $(seq 100); do
		far sessions --json | jq -e --arg s "$1" '.items | any(.streamId == $s and .type == "publish" and .state == "active")' >/dev/null && return 0
		sleep 0.05
	done
	return 1
}

# Waits until a row of the relays fits a jq filter.
relay() { # filter
	for _ in $(seq 300); do
		curl -sf -H "Authorization: Bearer $KEY" "http://$HTTP/api/v1/relays" >"$BATS_TEST_TMPDIR/relays"
		jq -e ".items | any($1)" "$BATS_TEST_TMPDIR/relays" >/dev/null && return 0
		sleep 0.1
	done
	echo "no relay with $1:"
	cat "$BATS_TEST_TMPDIR/relays" "$DIR/err"
	return 1
}

frames() { # url: how many pictures FFmpeg decodes in two seconds
	timeout 40 ffmpeg -v error -nostdin -i "$1" -t 2 -f null - -progress - 2>/dev/null | sed -n 's/^frame= *//p' | tail -n 1
}

# What the end-to-end tests share: a streamd of their own, its tokens, a test picture.
# BUILD_DIR: where the programs are.

BIN=$(cd "${BUILD_DIR:-build}" && pwd)

configure() { # lines of [app live] and below [lines of [recording]]
	cat >"$DIR/sg.conf" <<-END
		[store]
		url = sqlite:$DIR/streamgate.db
		[http]
		listen = 127.0.0.1:0
		[rtmp]
		listen = 127.0.0.1:0
		[srt]
		listen = ${SRT_LISTEN-127.0.0.1:0}
		[webrtc]
		listen = ${WEBRTC_LISTEN-127.0.0.1:0}
		public_ip = ${WEBRTC_IP-}
		[recording]
		path = $DIR/rec
		${2-}
		[app live]
		$1
	END
}

# A folder, a configuration, a streamd that is ready: sets RTMP, HTTP, SRT and WEBRTC (host:port).
start_streamd() { # [extra configuration lines for "app live"]
	: "${DIR:=$(mktemp -d "${BATS_FILE_TMPDIR:-/tmp}/sg.XXXXXX")}"
	mkdir -p "$DIR/rec/live"
	[ -e "$DIR/sg.conf" ] || configure "publish_token = on
play_token = on
${1-}"
	export DIR STREAMGATE_CONFIG=$DIR/sg.conf
	run_streamd
}

STREAMD_ENV=() # variables for streamd alone

run_streamd() {
	: >"$DIR/out"
	timeout --kill-after=5 600 env "${STREAMD_ENV[@]}" "$BIN/streamd" >>"$DIR/out" 2>>"$DIR/err" 3>&- &
	STREAMD_JOB=$!
	for _ in $(seq 100); do
		grep -q '^ready$' "$DIR/out" && break
		sleep 0.05
	done
	grep -q '^ready$' "$DIR/out" || {
		cat "$DIR/err" >&2
		return 1
	}
	STREAMD_PID=$(pgrep -P "$STREAMD_JOB" streamd)
	echo "$STREAMD_PID" >"$DIR/pid" # for teardown_file, where a test started it again
	RTMP=$(sed -n 's/^listening rtmp //p' "$DIR/out")
	HTTP=$(sed -n 's/^listening http //p' "$DIR/out")
	SRT=$(sed -n 's/^listening srt //p' "$DIR/out")
	WEBRTC=$(sed -n 's/^listening webrtc //p' "$DIR/out")
	export RTMP HTTP SRT WEBRTC STREAMD_PID STREAMD_JOB
}

stop_streamd() { # [signal]
	local pid
	pid=$(cat "${DIR-}/pid" 2>/dev/null) || return 0
	kill "-${1:-TERM}" "$pid" 2>/dev/null || true
	for _ in $(seq 100); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.05
	done
}

token() { # stream [tokenctl create options]
	"$BIN/tokenctl" create "$@" --quiet
}

token_id() { # of a token, by its own text
	"$BIN/tokenctl" check - --stream "${2:-cam}" --type "${3:-play}" --json <<<"$1" | jq -r .id
}

uses() { # token stream [type]: how often it was used
	"$BIN/tokenctl" show "$(token_id "$@")" --json | jq -r .uses
}

# A second of picture and sound, encoded once: H.264 with a keyframe every second, and AAC.
make_source() {
	SOURCE=$BATS_FILE_TMPDIR/source.flv
	[ -e "$SOURCE" ] || ffmpeg -v error -nostdin -f lavfi -i testsrc2=size=320x180:rate=30 -f lavfi -i sine=sample_rate=44100 \
		-c:v libx264 -preset ultrafast -tune zerolatency -g 30 -c:a aac -t 4 -f flv "$SOURCE"
	export SOURCE
}

# The same as MPEG-TS.
make_ts_source() {
	TS_SOURCE=$BATS_FILE_TMPDIR/source.ts
	[ -e "$TS_SOURCE" ] || ffmpeg -v error -nostdin -i "$SOURCE" -c copy -f mpegts "$TS_SOURCE"
	export TS_SOURCE
}

# What a browser's camera gives: H.264 and Opus.
make_webrtc_source() {
	WEBRTC_SOURCE=$BATS_FILE_TMPDIR/source.mkv
	[ -e "$WEBRTC_SOURCE" ] || ffmpeg -v error -nostdin -f lavfi -i testsrc2=size=320x180:rate=30 \
		-f lavfi -i sine=sample_rate=48000 -c:v libx264 -preset ultrafast -tune zerolatency -g 30 -c:a libopus \
		-t 60 "$WEBRTC_SOURCE"
	export WEBRTC_SOURCE
}

# Publishes in the background until it is stopped: sets PUBLISHER (a process id).
publish() { # stream token [ffmpeg input options]
	ffmpeg -v error -nostdin -re -stream_loop -1 -i "$SOURCE" -c copy -t 300 -f flv \
		"rtmp://$RTMP/live/$1?token=$2" >"$DIR/publish-$1.log" 2>&1 3>&- &
	PUBLISHER=$!
	wait_live "$1"
}

# Its publisher is in, and its first picture has come: a viewer may come now.
wait_live() { # stream
	for _ in $(seq 100); do
		"$BIN/tokenctl" sessions --json | jq -e --arg s "$1" \
			'.items // . | any(.streamId == $s and .type == "publish" and .state == "active")' >/dev/null &&
			curl -sf --unix-socket "$DIR/streamd.sock" http://localhost/api/v1/streams | jq -e --arg s "$1" \
				'.items | any(.streamId == $s and .live)' >/dev/null && return 0
		sleep 0.05
	done
	echo "stream $1 did not come up" >&2
	cat "$DIR/err" "$DIR/publish-$1.log" >&2
	return 1
}

stop() { # process id: ended and waited for
	kill "$1" 2>/dev/null || true
	wait "$1" 2>/dev/null || true
}

http_status() { # path [curl options]: the status; live answers are cut after a second
	local path=$1
	shift
	curl -s -o /dev/null -m 1.5 -w '%{http_code}' "$@" "http://$HTTP$path" || true
}

# Is the newest row's field so, or soon? The audit is written behind the answers.
last_audit_is() { # field value
	local is
	for _ in $(seq 100); do
		is=$("$BIN/tokenctl" audit --json --limit 1 | jq -r "(.items // .)[0].$1")
		[ "$is" != "$2" ] || return 0
		sleep 0.05
	done
	echo "the audit's newest $1 is '$is', not '$2'"
	return 1
}

# In front of streamd, by write_nginx_conf, which the test has. Nginx takes no port of the system's choosing: one that is free now is tried, and then another.
start_nginx() {
	mkdir -p "$DIR/nginx"
	for _ in 1 2 3 4 5; do
		NGINX=127.0.0.1:$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
		write_nginx_conf
		nginx -c "$DIR/nginx/nginx.conf" -p "$DIR/nginx" 2>>"$DIR/nginx/log" 3>&- &
		NGINX_PID=$!
		for _ in $(seq 50); do
			curl -s -o /dev/null "http://$NGINX/" && break 2
			kill -0 "$NGINX_PID" 2>/dev/null || break
			sleep 0.05
		done
	done
	export NGINX NGINX_PID
}

stop_nginx() { [ -z "${NGINX_PID-}" ] || kill "$NGINX_PID"; }

# A program for python3: sends files of two seconds each for so many seconds, one behind the other, again and again,
# at their own pace. usage: SECONDS FILE...
PACER="
import sys, time
out, at = sys.stdout.buffer, time.time()
end = at + float(sys.argv[1])
while time.time() < end:
    for name in sys.argv[2:]:
        data = open(name, 'rb').read()
        for i in range(0, len(data), 1316):
            out.write(data[i:i + 1316])
            out.flush()
            at += 2 * 1316 / len(data)
            time.sleep(max(0, at - time.time()))
"
export PACER

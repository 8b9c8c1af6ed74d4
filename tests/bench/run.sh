#!/usr/bin/env bash
# make bench: everything in one run, the server on one core and the load on the other; prints a table of
# ratios and keeps it in BUILD_DIR/bench/RESULTS.md. It fails when something is broken (a viewer starves, a
# token is refused), never because something is slow.
set -eu
bin=$(cd "${BUILD_DIR:-build}" && pwd)
work=$bin/bench
load=$work/rtmp_load
dir=$(mktemp -d "$work/run.XXXXXX")
ulimit -n "$(ulimit -Hn)"
pids=
trap 'trap - EXIT; for p in $pids; do kill "$p" 2>/dev/null || true; done; wait 2>/dev/null; rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
if [ "${BENCH_QUICK-}" = 1 ]; then counts="100" seconds=4 million=100000 large=1000000; else counts="100 300 600" seconds=10 million=1000000 large=10000000; fi
cores=$(nproc)
server_core=0 load_core=$((cores > 1 ? 1 : 0))
on_server() { taskset -c "$server_core" "$@"; }
on_load() { taskset -c "$load_core" "$@"; }
results=$work/RESULTS.md
: >"$results"
say() { printf '%s\n' "$*" | tee -a "$results"; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }
verdict() { awk -v a="$1" -v op="$2" -v b="$3" 'BEGIN { print (op == "<=" ? a <= b : a >= b) ? "met" : "missed" }'; }
field() { tr ' ' '\n' <<<"$2" | sed -n "s/^$1=//p"; }
cpu_us() { awk '{ s += $1 } END { printf "%.0f", s / 1000 }' /proc/"$1"/task/*/schedstat; }
await() { # file text
	for _ in $(seq 400); do
		grep -q "$2" "$1" 2>/dev/null && return 0
		sleep 0.05
	done
	echo "bench: no '$2' in $1:" >&2
	cat "$1" >&2
	exit 1
}
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
stop() {
	kill "$1" 2>/dev/null || true
	wait "$1" 2>/dev/null || true
}

source=$work/source.flv
[ -e "$source" ] || ffmpeg -v error -nostdin -f lavfi -i testsrc2=size=1280x720:rate=30 -f lavfi -i sine=sample_rate=44100 \
	-c:v libx264 -preset veryfast -b:v 4M -minrate 4M -maxrate 4M -bufsize 4M -x264-params nal-hrd=cbr -g 60 \
	-c:a aac -b:a 128k -t 20 -f flv "$source"

# ---- streamd ----

start_streamd() { # gather: sets PID RTMP HTTP
	rm -rf "$dir/sg"
	mkdir -p "$dir/sg/rec/live"
	cat >"$dir/sg/conf" <<-END
		[store]
		url = sqlite:$dir/sg/streamgate.db
		[http]
		listen = 127.0.0.1:0
		[rtmp]
		listen = 127.0.0.1:0
		gather = $1
		[srt]
		listen =
		[webrtc]
		listen =
		[recording]
		path = $dir/sg/rec
		[app live]
		play_token = on
	END
	export STREAMGATE_CONFIG=$dir/sg/conf
	on_server "$bin/streamd" >"$dir/sg/out" 2>"$dir/sg/err" &
	PID=$!
	pids="$pids $PID"
	await "$dir/sg/out" '^ready$'
	RTMP=$(sed -n 's/^listening rtmp //p' "$dir/sg/out")
	HTTP=$(sed -n 's/^listening http //p' "$dir/sg/out")
}
publish() { # host:port
	on_load "$load" publish "$1" live cam 600 "$source" &
	PUBLISHER=$!
	pids="$pids $PUBLISHER"
	sleep 3
}
tokens() { "$bin/tokenctl" create cam --count "$1" --quiet >"$dir/tokens"; }

# fan-out: CPU of process $1 per viewer and second, while load command "$@" watches: sets CPU and VIEW
measure() { # pid viewers command...
	local pid=$1 n=$2 before after viewer
	shift 2
	: >"$dir/view"
	on_load "$@" >"$dir/view" &
	viewer=$!
	pids="$pids $viewer"
	await "$dir/view" counting
	before=$(cpu_us "$pid")
	await "$dir/view" done
	after=$(cpu_us "$pid")
	wait "$viewer"
	VIEW=$(tail -n 1 "$dir/view")
	CPU=$(awk -v a="$before" -v b="$after" -v n="$n" -v s="$seconds" 'BEGIN { printf "%.0f", (b - a) / n / s }')
	if [ "$(field closed "$VIEW")" != 0 ] ||
		[ $((100 * $(field pictures_min "$VIEW"))) -lt $((95 * $(field pictures_median "$VIEW"))) ]; then
		echo "bench: viewers starved: $VIEW" >&2
		exit 1
	fi
}

bare() { # viewers gather_ms: sets CPU
	local port loop
	port=$(free_port)
	: >"$dir/bare"
	on_server "$load" bare "$port" "$1" "$seconds" "$2" "$source" >"$dir/bare" &
	loop=$!
	await "$dir/bare" listening
	on_load "$load" raw "$port" "$1" "$seconds" >/dev/null
	wait "$loop"
	CPU=$(field cpu_us_per_viewer_second "$(tail -n 1 "$dir/bare")")
}

nginx_rtmp() { # viewers: sets CPU and VIEW
	local port pid
	port=$(free_port)
	mkdir -p "$dir/ngx"
	cat >"$dir/ngx/conf" <<-END
		load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
		daemon off; worker_processes 1; pid $dir/ngx/pid; error_log $dir/ngx/err;
		events { worker_connections 4096; }
		rtmp { server { listen 127.0.0.1:$port; chunk_size 4096; application live { live on; } } }
	END
	on_server nginx -c "$dir/ngx/conf" -p "$dir/ngx" &
	pid=$!
	pids="$pids $pid"
	await "$dir/ngx/pid" .
	publish "127.0.0.1:$port"
	measure "$(pgrep -P "$pid" nginx)" "$1" "$load" view "127.0.0.1:$port" live cam "$1" "$seconds"
	stop "$PUBLISHER"
	stop "$pid"
}

fan_out() {
	local n b0 b33 b350 ngx auto eco flv delay
	say "| fan-out of 4 Mb/s to | bare loop, at once / 33 ms / 350 ms | nginx-rtmp | streamd RTMP | HTTP-FLV | \`gather = 350ms\` | delay added, p50 / p95 |"
	say "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
	for n in $counts; do
		bare "$n" 0 && b0=$CPU
		bare "$n" 33 && b33=$CPU
		bare "$n" 350 && b350=$CPU
		nginx_rtmp "$n"
		ngx=$CPU
		start_streamd auto
		publish "$RTMP"
		tokens "$n"
		measure "$PID" "$n" "$load" view "$RTMP" live cam "$n" "$seconds" "$dir/tokens"
		auto=$CPU delay="$(awk -v a="$(field delay_us_p50 "$VIEW")" -v b="$(field delay_us_p95 "$VIEW")" 'BEGIN { printf "%.1f / %.1f ms", a / 1000, b / 1000 }')"
		p95=$(field delay_us_p95 "$VIEW")
		tokens "$n"
		measure "$PID" "$n" "$load" flv "$HTTP" /live/streams/cam.flv "$n" "$seconds" "$dir/tokens"
		flv=$CPU
		stop "$PUBLISHER"
		stop "$PID"
		start_streamd 350ms
		publish "$RTMP"
		tokens "$n"
		measure "$PID" "$n" "$load" view "$RTMP" live cam "$n" "$seconds" "$dir/tokens"
		eco=$CPU
		stop "$PUBLISHER"
		stop "$PID"
		say "| $n viewers, µs of CPU per viewer-second | $b0 / $b33 / $b350 | $ngx | $auto | $flv | $eco | $delay |"
		rows="$rows
| RTMP to $n, against the bare loop at 33 ms | ≤ 1.15 | $(ratio "$auto" "$b33") | $(verdict "$(ratio "$auto" "$b33")" '<=' 1.15) |
| RTMP to $n, against nginx-rtmp | ≤ 0.60 | $(ratio "$auto" "$ngx") | $(verdict "$(ratio "$auto" "$ngx")" '<=' 0.6) |
| delay added to $n, 95th percentile | < 40 ms | $(awk -v a="$p95" 'BEGIN { printf "%.1f ms", a / 1000 }') | $(verdict "$p95" '<=' 40000) |
| \`gather = 350ms\` to $n, against its bare loop | ≤ 1.20 | $(ratio "$eco" "$b350") | $(verdict "$(ratio "$eco" "$b350")" '<=' 1.2) |
| HTTP-FLV to $n, against RTMP | ≤ 1.00 | $(ratio "$flv" "$auto") | $(verdict "$(ratio "$flv" "$auto")" '<=' 1.0) |"
	done
	say ""
}

# ---- memory of a viewer that is only there ----

memory() {
	local n=500 before after kib
	start_streamd auto
	ffmpeg -v error -nostdin -re -f lavfi -i testsrc2=size=64x64:rate=5 -c:v libx264 -preset ultrafast -tune zerolatency \
		-b:v 20k -g 10 -f flv "rtmp://$RTMP/live/cam" >/dev/null 2>&1 &
	PUBLISHER=$!
	pids="$pids $PUBLISHER"
	sleep 3
	tokens "$n"
	before=$(awk '/VmRSS/ { print $2 }' "/proc/$PID/status")
	on_load "$load" view "$RTMP" live cam "$n" 2 "$dir/tokens" >"$dir/view" &
	await "$dir/view" counting
	after=$(awk '/VmRSS/ { print $2 }' "/proc/$PID/status")
	wait $!
	kib=$(awk -v a="$before" -v b="$after" -v n="$n" 'BEGIN { printf "%.1f", (b - a) / n }')
	rows="$rows
| memory of an idle RTMP viewer (of $n) | < 32 KiB | $kib KiB | $(verdict "$kib" '<=' 32) |"
	stop "$PUBLISHER"
	stop "$PID"
}

# ---- files and segments, against nginx with secure_link ----

requests() { # url [wrk options]: requests per second
	local url=$1
	shift
	on_load wrk -t 1 -c 32 -d "${seconds}s" "$@" "$url" >"$dir/wrk"
	if grep -q 'Non-2xx' "$dir/wrk"; then
		echo "bench: $url: not every answer was good" >&2
		cat "$dir/wrk" >&2
		exit 1
	fi
	sed -n 's/^Requests\/sec: *//p' "$dir/wrk"
}

secure_link() { # path: with its signature
	local until=$(($(date +%s) + 3600))
	echo "$1?md5=$(printf '%s' "$until$1 secret" | openssl md5 -binary | base64 | tr '+/' '-_' | tr -d =)&expires=$until"
}

web() {
	local port ngx sid playlist segment mine theirs
	start_streamd auto
	publish "$RTMP"
	head -c 20000000 /dev/urandom >"$dir/sg/rec/live/film.mp4"
	"$bin/tokenctl" create film --quiet >"$dir/tokens"
	sid=$(curl -s -o /dev/null -D - -r 0-0 "http://$HTTP/live/streams/film.mp4?token=$(cat "$dir/tokens")" |
		sed -n 's/^content-location: //Ip' | tr -d '\r')
	tokens 1
	playlist=$(curl -s "http://$HTTP/live/streams/cam.m3u8?token=$(cat "$dir/tokens")" | grep -v '^#')
	segment=$(curl -s "http://$HTTP/live/streams/$playlist" | grep -v '^#' | tail -n 1)
	segment=http://$HTTP/live/streams/${playlist%index.m3u8}$segment
	mkdir -p "$dir/web"
	cp "$dir/sg/rec/live/film.mp4" "$dir/web"
	curl -s -o "$dir/web/segment.m4s" "$segment"
	stop "$PUBLISHER" # the stream waits for it: the segment stays

	port=$(free_port)
	cat >"$dir/web.conf" <<-END
		daemon off; worker_processes 1; pid $dir/web.pid; error_log $dir/web.err;
		events { worker_connections 4096; }
		http {
			access_log off; sendfile on; keepalive_requests 100000000;
			server {
				listen 127.0.0.1:$port; root $dir/web;
				location / {
					secure_link \$arg_md5,\$arg_expires;
					secure_link_md5 "\$secure_link_expires\$uri secret";
					if (\$secure_link = "") { return 403; }
					if (\$secure_link = "0") { return 410; }
				}
			}
		}
	END
	on_server nginx -c "$dir/web.conf" -p "$dir" &
	ngx=$!
	pids="$pids $ngx"
	await "$dir/web.pid" .
	mine=$(requests "http://$HTTP/live/streams/$sid" -H "Range: bytes=1000000-1065535")
	theirs=$(requests "http://127.0.0.1:$port$(secure_link /film.mp4)" -H "Range: bytes=1000000-1065535")
	rows="$rows
| MP4, ranges of 64 KiB: requests per second against nginx with secure_link ($mine : $theirs) | ≥ 1.00 | $(ratio "$mine" "$theirs") | $(verdict "$(ratio "$mine" "$theirs")" '>=' 1) |"
	mine=$(requests "$segment")
	theirs=$(requests "http://127.0.0.1:$port$(secure_link /segment.m4s)")
	rows="$rows
| HLS segments of $(($(stat -c %s "$dir/web/segment.m4s") / 1024)) KiB: the same ($mine : $theirs) | ≥ 1.00 | $(ratio "$mine" "$theirs") | $(verdict "$(ratio "$mine" "$theirs")" '>=' 1) |"
	stop "$ngx"
	stop "$PID"
}

# ---- admissions ----

admissions() {
	local port redis gate wal roll red t
	fresh() { rm -rf "$dir/store" && mkdir "$dir/store"; }
	fresh && gate=$("$work/gate_load" gate "$dir/store" "$million" "$seconds")
	fresh && wal=$("$work/gate_load" wal "$dir/store" "$million" "$seconds")
	fresh && roll=$("$work/gate_load" roll "$dir/store" "$million" "$seconds")
	port=$(free_port)
	fresh
	redis-server --port "$port" --bind 127.0.0.1 --dir "$dir/store" --appendonly yes --appendfsync everysec --save '' >"$dir/redis" &
	redis=$!
	pids="$pids $redis"
	await "$dir/redis" 'Ready to accept'
	red=$("$work/gate_load" redis "$port" "$million" "$seconds")
	stop "$redis"
	say "| durable admissions, $million tokens | per second | wait p50 | wait p99 |"
	say "| --- | ---: | ---: | ---: |"
	for t in "streamgate's gate, 64 in flight:$gate" "SQLite, a WAL transaction each:$wal" \
		"SQLite, a rollback-journal transaction each:$roll" "Redis, Lua, appendfsync always, 64 in flight:$red"; do
		say "| ${t%%:*} | $(field per_second "${t#*:}") | $(field wait_us_p50 "${t#*:}") µs | $(field wait_us_p99 "${t#*:}") µs |"
	done
	say ""
	t=$(field per_second "$gate")
	rows="$rows
| admissions against one WAL transaction each | ≥ 5 | $(ratio "$t" "$(field per_second "$wal")") | $(verdict "$(ratio "$t" "$(field per_second "$wal")")" '>=' 5) |
| admissions against the rollback journal | ≥ 20 | $(ratio "$t" "$(field per_second "$roll")") | $(verdict "$(ratio "$t" "$(field per_second "$roll")")" '>=' 20) |
| admissions against Redis | ≥ 1.00 | $(ratio "$t" "$(field per_second "$red")") | $(verdict "$(ratio "$t" "$(field per_second "$red")")" '>=' 1) |"
	local small big
	fresh && small=$(field cpu_us_per_token "$("$work/gate_load" look "$dir/store" 10000 "$seconds")")
	fresh && big=$(field cpu_us_per_token "$("$work/gate_load" look "$dir/store" "$large" "$seconds")")
	rm -rf "$dir/store"
	rows="$rows
| CPU of a look-up and a use, $large tokens against 10000 ($big : $small µs) | ≤ 1.50 | $(ratio "$big" "$small") | $(verdict "$(ratio "$big" "$small")" '<=' 1.5) |"
}

rows=
say "Measured $(date -u +%Y-%m-%d): $cores cores ($(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)), $(awk '/MemTotal/ { printf "%.0f", $2 / 1048576 }' /proc/meminfo) GiB, Linux $(uname -r | cut -d- -f1), $(. /etc/os-release && echo "$PRETTY_NAME"); the server on one core, the load on the other, all on loopback."
say ""
fan_out
admissions
memory
web
say "| what | wanted | measured | |"
say "| --- | ---: | ---: | --- |${rows}"

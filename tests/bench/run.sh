#!/usr/bin/env bash
# make bench: everything in one run, the server on one core and the load on the other; prints tables of
# what was measured and of the ratios, and keeps them in BUILD_DIR/bench/RESULTS.md. It fails when something
# is broken (a viewer starves, a token is refused), after the other parts, never because something is slow.
# BENCH_QUICK=1: smaller counts. Some parts only: BENCH_ONLY="fan_out admissions", of those with viewers for
# some numbers of them: BENCH_COUNTS="100 300 600". The parts that are not here are in part_*.sh, what
# several of those need in nginx.sh.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "${BUILD_DIR:-build}" && pwd)
work=$bin/bench
dir=$(mktemp -d "$work/run.XXXXXX")
ulimit -n "$(ulimit -Hn)"
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
if [ "${BENCH_QUICK-}" = 1 ]; then
	counts="100" rounds=1 admission_seconds=0.5 wrk_seconds=1 million=200000 large=1000000 large_name="1 million"
else
	counts="100 300 600" rounds=5 admission_seconds=0.9 wrk_seconds=2 million=1000000 large=10000000 large_name="10 million"
fi
# rounds: what is compared is measured by turns, so often, since a machine has its moods.
seconds=1 # three windows of it for each measurement
counts=${BENCH_COUNTS-$counts}
cores=$(nproc)
server_core=0 load_core=$((cores > 1 ? 1 : 0))
# Whatever is waited for ends: a run may fail, but not hang.
on_load() { timeout --foreground -k 5 240 taskset -c "$load_core" "$@"; }
curl() { command curl -m 30 "$@"; }

results=$work/RESULTS.md
: >"$results"
rows=$dir/rows # of the last table
say() { printf '%s\n' "$*" | tee -a "$results"; }
calc() { awk "BEGIN { printf \"$1\", $2 }"; }
middle() { printf '%s\n' "$@" | sort -n | sed -n "$(($# / 2 + 1))p"; }
# What takes turns leaves a line of fields for each round in a file of $dir, WHO.
per_round() { tr ' ' '\n' <"$dir/$1" | sed -n "s/^$2=//p"; } # who field
# shellcheck disable=SC2046 # lists of numbers
mid() { middle $(per_round "$1" "$2"); }
# shellcheck disable=SC2046
mid_ratio() { middle $(paste <(per_round "$1" "$3") <(per_round "$2" "$3") | awk '{ print $1 / $2 }'); } # who whom field
field() { tr ' ' '\n' <<<"$2" | sed -n "s/^$1=//p"; }
# A line of the last table: what, "<=" or ">=", the value wanted, how to print it, the value, after it.
wanted() {
	local met=missed sign=≤ unit=${6-} found
	[ "$2" = "<=" ] || sign=≥
	found=$(calc "$4" "$5" 2>/dev/null) || found=
	if [ -z "$found" ]; then
		echo "| $1 | $sign $3$unit | not measured | |" >>"$rows"
		return
	fi
	awk "BEGIN { exit !($5 $2 $3) }" && met=met
	echo "| $1 | $sign $3$unit | $found$unit | $met |" >>"$rows"
}
broken() {
	echo "bench: $1" >&2
	shift
	for f; do sed 's/^/    | /' "$f" >&2; done
	exit 1
}
await() { # file text
	for _ in $(seq 600); do
		grep -q "$2" "$1" 2>/dev/null && return 0
		sleep 0.05
	done
	broken "no '$2' within 30 seconds" "$1"
}
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
# Started in the shell itself, so that the process's number is the program's, not a subshell's. Sets PID.
start() { # core output command...
	local core=$1 out=$2
	shift 2
	: >"$out"
	taskset -c "$core" "$@" >"$out" 2>"$out.err" </dev/null &
	PID=$!
	pids="$pids $PID"
}
gone() { ! grep -qs '^State:[[:space:]]*[^Z[:space:]]' "/proc/$1/status"; }
stop() {
	local p left
	for p; do
		kill "$p" 2>/dev/null || true
		for _ in $(seq 150); do
			gone "$p" && break
			sleep 0.1
		done
		kill -9 "$p" 2>/dev/null || true
		wait "$p" 2>/dev/null || true
		left=
		for q in $pids; do [ "$q" = "$p" ] || left="$left $q"; done
		pids=$left
	done
}

cpu_us() { python3 -c 'import sys, time; print(time.clock_gettime_ns((~int(sys.argv[1]) << 3) | 2) // 1000)' "$1"; } # pid: its processor time so far

# Four megabits of pictures at 30 a second, a keyframe each second, and AAC.
source=$work/source.flv
[ -s "$source" ] || {
	ffmpeg -v error -nostdin -y -f lavfi -i testsrc2=size=1280x720:rate=30,noise=alls=12:allf=t \
		-f lavfi -i sine=sample_rate=44100 -t 20 -c:v libx264 -preset ultrafast -tune zerolatency -pix_fmt yuv420p \
		-b:v 4M -minrate 4M -maxrate 4M -bufsize 1M -x264-params nal-hrd=cbr -g 30 -c:a aac -b:a 128k \
		-flvflags no_duration_filesize -f flv "$work/source.part" && mv "$work/source.part" "$source"
}
tiny=$work/tiny.flv
[ -s "$tiny" ] || {
	ffmpeg -v error -nostdin -y -f lavfi -i testsrc2=size=64x64:rate=5 -t 20 -c:v libx264 -preset ultrafast \
		-tune zerolatency -pix_fmt yuv420p -b:v 20k -g 10 -flvflags no_duration_filesize -f flv "$work/tiny.part" &&
		mv "$work/tiny.part" "$tiny"
}

# ---- streamd ----

start_streamd() { # gather: sets STREAMD RTMP HTTP
	rm -rf "$dir/sg"
	mkdir -p "$dir/sg/rec/live"
	cat >"$dir/sg/conf" <<-END
		[store]
		url = sqlite:$dir/sg/streamgate.db
		[http]
		listen = 127.0.0.1:0
		${http_conf-}
		[rtmp]
		listen = 127.0.0.1:0
		gather = $1
		[srt]
		listen =
		[webrtc]
		listen = ${webrtc_listen-}
		[recording]
		path = $dir/sg/rec
		[app live]
		publish_token = on
		play_token = on
	END
	export STREAMGATE_CONFIG=$dir/sg/conf
	start "$server_core" "$dir/streamd" "$bin/streamd"
	STREAMD=$PID
	await "$dir/streamd" '^ready$'
	RTMP=$(sed -n 's/^listening rtmp .*://p' "$dir/streamd")
	HTTP=$(sed -n 's/^listening http .*://p' "$dir/streamd")
}
publish() { # port name file: sets PUBLISHER
	start "$load_core" "$dir/publish" "$work/publish" "$3" "$1" live "$2" "$dir/sent"
	PUBLISHER=$PID
	await "$dir/publish" publishing
	sleep 2
	kill -0 "$PUBLISHER" 2>/dev/null || broken "the publisher was sent away" "$dir/publish.err"
}
publish_ours() { publish "$RTMP" "cam?token=$("$bin/tokenctl" create cam --type publish --quiet)" "$1"; }
tokens() { "$bin/tokenctl" create cam --count "$1" --quiet >"$dir/tokens"; }
view() { # kind pid port viewers name [tokens]: sets VIEW
	VIEW=$(on_load "$work/view" "$1" "$2" "$3" "$4" "$seconds" "$dir/sent" "${@:5}" 2>"$dir/view.err") ||
		broken "viewers are not served ($1, $4)" "$dir/view.err" "$dir/streamd.err"
}

# ---- memory of a viewer who is only there ----

rss_kib() { awk '/^VmRSS/ { print $2 }' "/proc/$STREAMD/status"; }
memory() {
	local n=500 before after viewers
	start_streamd auto
	publish_ours "$tiny"
	tokens 20 # the first viewers bring what all of them share
	view rtmp "$STREAMD" "$RTMP" 20 live/cam "$dir/tokens"
	tokens "$n"
	before=$(rss_kib)
	start "$load_core" "$dir/view" "$work/view" rtmp "$STREAMD" "$RTMP" "$n" 10 "$dir/sent" live/cam "$dir/tokens"
	viewers=$PID
	for _ in $(seq 600); do
		[ "$("$bin/tokenctl" sessions 2>/dev/null | grep -c play)" -ge "$n" ] && break
		kill -0 "$viewers" 2>/dev/null || broken "idle viewers were sent away" "$dir/view.err"
		sleep 0.05
	done
	sleep 3
	after=$(rss_kib)
	stop "$viewers" "$PUBLISHER" "$STREAMD"
	wanted "memory of an idle RTMP viewer, of $n" "<=" 32 %.1f "($after - $before) / $n" " KiB"
}

say "Measured $(date -u +%Y-%m-%d) on $cores cores ($(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)), $(awk '/MemTotal/ { printf "%.0f", $2 / 1048576 }' /proc/meminfo) GiB, $(df --output=fstype "$work" | tail -n 1), Linux $(uname -r | cut -d- -f1), $(. /etc/os-release && echo "$PRETTY_NAME"); load average $(cut -d' ' -f1 /proc/loadavg) at the start. The server has one core, the load the other; all of it on loopback."
say ""
for file in "$here"/nginx.sh "$here"/part_*.sh; do . "$file"; done
# A part that breaks ends, with what it has started; the others are measured all the same.
failed=
run_part() {
	set +e
	(
		set -e
		pids=
		trap 'trap - EXIT; stop $pids' EXIT
		trap 'exit 130' INT TERM
		"$1"
	)
	[ $? = 0 ] || failed="$failed $1"
	set -e
}
: >"$rows"
for part in ${BENCH_ONLY:-fan_out admissions token_path memory web https recording llhls webrtc srt}; do run_part "$part"; done
say "| what | wanted | measured | |"
say "| --- | ---: | ---: | --- |"
say "$(cat "$rows")"
[ -z "$failed" ] || broken "not all was measured:$failed"

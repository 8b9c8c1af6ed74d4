#!/usr/bin/env bash
# SRT fan-out: the processor time that a viewer costs, beside srt-live-transmit, which serves one viewer per
# process; the same stream over UDP is what each of those processes is fed. By itself, or as a part of run.sh:
# prints its tables. SRT_COUNTS="5 20": numbers of viewers; SRT_SECONDS=8: how long each is measured.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "${BUILD_DIR:-build}" && pwd)
dir=$(mktemp -d)
pids=
trap 'trap - EXIT; for p in $pids; do kill "$p" 2>/dev/null || true; done; wait 2>/dev/null; rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
counts=${SRT_COUNTS-5 20}
seconds=${SRT_SECONDS-8}

broken() {
	echo "bench: srt: $1" >&2
	tail -n 5 "$dir"/*.err >&2 || true
	exit 1
}
start() { # name command...: in the background; sets PID
	local name=$1
	shift
	"$@" >"$dir/$name.out" 2>"$dir/$name.err" </dev/null &
	PID=$!
	pids="$pids $PID"
}
await() { # file text
	for _ in $(seq 400); do
		grep -q "$2" "$1" 2>/dev/null && return 0
		sleep 0.05
	done
	broken "no '$2' within 20 seconds"
}
# A run of free UDP ports: nobody else has asked for any of them.
ports() { # count
	python3 - "$1" <<-'END'
		import random, socket, sys
		n = int(sys.argv[1])
		while True:
		    at = random.randrange(20000, 60000 - n)
		    try:
		        held = []
		        for p in range(at, at + n):
		            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		            s.bind(("127.0.0.1", p))
		            held.append(s)
		        print(at)
		        break
		    except OSError:
		        pass
	END
}
ticks() { # pid...: their processor time so far, in hundredths of a second
	for p; do sed 's/.*) //' "/proc/$p/stat"; done | awk '{ n += $12 + $13 } END { print n }'
}
# Prints microseconds of processor time per viewer and second, and kb/s per viewer.
measure() { # count port step streamid pid...
	local count=$1 port=$2 step=$3 id=$4 before after
	shift 4
	start view "$bin/bench/srt_view" "$port" "$step" "$count" "$seconds" ${id:+"$id"}
	await "$dir/view.out" start
	before=$(ticks "$@")
	await "$dir/view.out" viewers=
	after=$(ticks "$@")
	grep -q 'starved=0' "$dir/view.out" || broken "viewers starve: $(cat "$dir/view.out")"
	tr ' ' '\n' <"$dir/view.out" | sed -n 's/^bytes=//p' | awk -v t=$((after - before)) -v n="$count" -v s="$seconds" \
		-v hz="$(getconf CLK_TCK)" '{ printf "%.0f %.0f\n", t / hz * 1e6 / n / s, $1 * 8 / n / s / 1000 }'
}

ffmpeg -v error -nostdin -f lavfi -i testsrc2=size=1280x720:rate=30 -f lavfi -i sine=sample_rate=48000 -t 4 \
	-c:v libx264 -preset ultrafast -g 30 -b:v 4M -minrate 4M -maxrate 4M -bufsize 2M -nal-hrd cbr -c:a aac \
	-f mpegts -y "$dir/source.ts"

cat >"$dir/sg.conf" <<-END
	[store]
	url = sqlite:$dir/t.db
	[http]
	listen =
	[rtmp]
	listen =
	[srt]
	listen = 127.0.0.1:0
	[webrtc]
	listen =
	[recording]
	path = $dir
END
start streamd "$bin/streamd" --config "$dir/sg.conf"
server=$PID
await "$dir/streamd.out" ready
port=$(sed -n 's/^listening srt .*://p' "$dir/streamd.out")
start publish ffmpeg -v error -nostdin -re -stream_loop -1 -i "$dir/source.ts" -c copy -f mpegts \
	"srt://127.0.0.1:$port?streamid=live/cam"
await "$dir/streamd.err" 'publishes live/cam'
sleep 1

echo "| 4 Mb/s over SRT to | streamd, µs of CPU per viewer-second | srt-live-transmit | ratio |"
echo "| ---: | ---: | ---: | ---: |"
for count in $counts; do
	read -r ours kbps < <(measure "$count" "$port" 0 '#!::r=live/cam' "$server")
	[ "$kbps" -gt 3000 ] || broken "streamd sends $kbps kb/s"
	base=$(ports $((2 * count)))
	outputs= peers=
	for i in $(seq 0 $((count - 1))); do
		start "slt$i" srt-live-transmit -q -chunk:1316 "udp://127.0.0.1:$((base + i))" \
			"srt://127.0.0.1:$((base + count + i))?mode=listener"
		peers="$peers $PID"
		outputs="$outputs${outputs:+|}[f=mpegts]udp://127.0.0.1:$((base + i))?pkt_size=1316"
	done
	start feed ffmpeg -v error -nostdin -re -stream_loop -1 -i "$dir/source.ts" -map 0 -c copy -f tee "$outputs"
	feed=$PID
	sleep 1
	# shellcheck disable=SC2086
	read -r theirs kbps < <(measure "$count" $((base + count)) 1 '' $peers)
	[ "$kbps" -gt 3000 ] || broken "srt-live-transmit sends $kbps kb/s"
	kill "$feed" $peers 2>/dev/null || true
	wait "$feed" $peers 2>/dev/null || true
	awk -v n="$count" -v a="$ours" -v b="$theirs" 'BEGIN { printf "| %d viewers | %d | %d | %.2f |\n", n, a, b, a / b }'
done

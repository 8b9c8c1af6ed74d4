#!/usr/bin/env bash
# Low-latency HLS: viewers on blocking reload, the server on one core and the load on the other, and what a
# recording costs its stream. usage: llhls.sh [VIEWERS [SECONDS]] (500, 15)
set -eu
bin=$(cd "${BUILD_DIR:-build}" && pwd)
viewers=${1-500} seconds=${2-15}
dir=$(mktemp -d)
pids=
trap 'for p in $pids; do kill "$p" 2>/dev/null || true; done; wait 2>/dev/null; rm -rf "$dir"' EXIT
ulimit -n "$(ulimit -Hn)"
printf '[store]\nurl = sqlite:%s/t.db\n[http]\nlisten = 127.0.0.1:0\n[rtmp]\nlisten = 127.0.0.1:0\n[srt]\nlisten =\n[webrtc]\nlisten =\n[recording]\npath = %s/rec\n' \
	"$dir" "$dir" >"$dir/sg.conf"
export STREAMGATE_CONFIG=$dir/sg.conf
taskset -c 0 "$bin/streamd" >"$dir/out" 2>"$dir/err" &
server=$!
pids="$pids $server"
for _ in $(seq 100); do grep -q '^ready$' "$dir/out" && break; sleep 0.05; done
http=$(sed -n 's/^listening http //p' "$dir/out") rtmp=$(sed -n 's/^listening rtmp //p' "$dir/out")
ffmpeg -v error -nostdin -f lavfi -i testsrc2=size=1280x720:rate=30 -f lavfi -i sine=sample_rate=48000 -c:v libx264 \
	-preset ultrafast -tune zerolatency -g 60 -b:v 4M -maxrate 4M -bufsize 4M -pix_fmt yuv420p -c:a aac -t 8 -f flv "$dir/s.flv"
publish() {
	taskset -c 1 ffmpeg -v error -nostdin -re -stream_loop -1 -i "$dir/s.flv" -c copy -f flv "rtmp://$rtmp/live/$1" 2>/dev/null &
	pids="$pids $!"
}
cpu_ms() { awk '{ print ($14 + $15) * 10 }' "/proc/$server/stat"; } # a tick is 10 ms

for i in 1 2 3 4 5 6 7 8; do publish "r$i"; done
sleep 3
a=$(cpu_ms); sleep 8; b=$(cpu_ms)
"$bin/tokenctl" record on >/dev/null
sleep 2
c=$(cpu_ms); sleep 8; d=$(cpu_ms)
"$bin/tokenctl" record off >/dev/null
echo "recording: 8 streams of 4 Mb/s, per stream and second: $(((b - a) * 1000 / 64)) us without, $(((d - c) * 1000 / 64)) us with"

publish cam
sleep 4
taskset -c 1 "$bin/bench/llhls" "${http%:*}" "${http##*:}" /live/streams/cam.m3u8 "$viewers" "$seconds" "$server"

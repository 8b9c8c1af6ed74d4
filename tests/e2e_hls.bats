#!/usr/bin/env bats
# HLS with low latency held against the rules of its specification, by a checker that plays it
# (tests/hls_check.py), with sources of several kinds; DASH by ffmpeg.

load e2e.bash

setup_file() {
	make_source
	start_streamd
	export STREAMD_PID STREAMD_JOB
}

teardown_file() {
	stop_streamd
}

setup() { ENCODER=; }

teardown() { [ -z "$ENCODER" ] || stop "$ENCODER"; }

# What it says is what it costs: pictures per second, keyframe interval in pictures, ffmpeg's options.
encode() { # stream rate keyframes [options...]
	local stream=$1 rate=$2 keys=$3 t
	shift 3
	t=$(token "$stream" --type publish)
	timeout --kill-after=2 120 ffmpeg -v error -nostdin -re -f lavfi -i "testsrc2=size=320x180:rate=$rate" \
		-re -f lavfi -i sine=sample_rate=48000 -c:v libx264 -preset ultrafast -pix_fmt yuv420p -g "$keys" -keyint_min "$keys" \
		-sc_threshold 0 -c:a aac "$@" -f flv "rtmp://$RTMP/live/$stream?token=$t" 2>/dev/null 3>&- &
	ENCODER=$!
	for _ in $(seq 200); do
		[ "$(curl -s -o /dev/null -w '%{http_code}' -I "http://$HTTP/live/streams/$stream.flv?token=$(token "$stream")")" = 200 ] && return
		sleep 0.05
	done
	return 1
}

keeps_the_rules() { # stream seconds
	run python3 "$BATS_TEST_DIRNAME/hls_check.py" "http://$HTTP/live/streams/$1.m3u8?token=$(token "$1")" "$2"
	echo "$output" | tail -n 20
	[ "$status" -eq 0 ]
}

@test "a source of 30 pictures a second" {
	encode plain 30 60
	sleep 5 # keyframes are known
	keeps_the_rules plain 25
	[[ $output != *" 0 deltas"* ]]
}

@test "a source of 24 pictures a second, with B-frames" {
	encode film 24 48 -bf 2
	sleep 5
	keeps_the_rules film 8
}

@test "a source of 50 pictures a second with rare keyframes" {
	encode sport 50 200
	sleep 9
	keeps_the_rules sport 10
}

@test "sound alone, and pictures alone" {
	encode radio 30 30 -vn
	sleep 3
	keeps_the_rules radio 6
	[[ $output != *main* ]]
	stop "$ENCODER"
	encode silent 30 30 -an
	sleep 3
	keeps_the_rules silent 6
	[[ $output != *audio* ]]
}

@test "the first viewer of a stream that has been live for a while begins at once" {
	encode ready 30 60
	sleep 5
	local t started
	t=$(token ready)
	started=$(date +%s%N)
	curl -sf "http://$HTTP/live/streams/ready.m3u8?token=$t" >"$BATS_TEST_TMPDIR/master"
	[ $((($(date +%s%N) - started) / 1000000)) -lt 500 ]
	local main
	main=http://$HTTP/live/streams/$(grep main.m3u8 "$BATS_TEST_TMPDIR/master")
	[ "$(curl -sf "$main" | grep -c '^#EXTINF')" -ge 2 ]
}

@test "DASH is played by ffmpeg, and its token opens one session" {
	encode dash 30 30
	sleep 4
	local t
	t=$(token dash)
	run timeout 60 ffmpeg -nostdin -v error -xerror -i "http://$HTTP/live/streams/dash.mpd?token=$t" -t 3 -f null -
	[ "$status" -eq 0 ]
	[ "$(uses "$t" dash)" = 1 ]
	[ "$(curl -s -o /dev/null -w '%{http_code}' "http://$HTTP/live/streams/dash.mpd?token=$t")" = 403 ]
}

@test "whoever comes when a camera has sent nothing but sound so far gets its pictures" {
	local late=$BATS_FILE_TMPDIR/late.mkv t
	ffmpeg -v error -nostdin -itsoffset 2.5 -f lavfi -i testsrc2=size=320x180:rate=30 -f lavfi -i sine=sample_rate=48000 \
		-c:v libx264 -preset ultrafast -tune zerolatency -g 30 -c:a libopus -t 8 "$late"
	t=$(token camera --type publish)
	timeout --kill-after=2 60 "$BIN/streamplay" "http://$HTTP/live/whip/camera" --publish "$late" --token - <<<"$t" \
		>"$BATS_TEST_TMPDIR/publish.log" 2>&1 3>&- &
	ENCODER=$!
	wait_live camera
	curl -sf "http://$HTTP/live/streams/camera.m3u8?token=$(token camera)" >"$BATS_TEST_TMPDIR/master" &
	local hls=$!
	curl -sf "http://$HTTP/live/streams/camera.mpd?token=$(token camera)" >"$BATS_TEST_TMPDIR/mpd"
	wait "$hls"
	cat "$BATS_TEST_TMPDIR/master"
	grep -q main.m3u8 "$BATS_TEST_TMPDIR/master"
	grep -q 'mimeType="video/mp4"' "$BATS_TEST_TMPDIR/mpd"
}

@test "what waits for a part is answered when the stream stops for good" {
	encode short 30 30
	sleep 3
	local main n
	main=http://$HTTP/live/streams/$(curl -sf "http://$HTTP/live/streams/short.m3u8?token=$(token short)" | grep main.m3u8)
	n=$(curl -sf "$main" | grep -c '^#EXTINF')
	stop "$ENCODER"
	# The publisher has said goodbye: the hint is withdrawn, the playlist ends within seconds.
	for _ in $(seq 200); do
		curl -sf "$main?_HLS_msn=$((n + 1))" | grep -q '^#EXT-X-ENDLIST' && break
		sleep 0.05
	done
	run curl -sf "$main"
	[[ $output == *EXT-X-ENDLIST* ]]
	[[ $output != *PRELOAD-HINT* ]]
}

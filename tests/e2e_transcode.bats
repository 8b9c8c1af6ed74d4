#!/usr/bin/env bats
# What one protocol's publishers send in codecs that another protocol's players do not take.

load e2e.bash

setup_file() {
	OPUS=$BATS_FILE_TMPDIR/opus.mkv
	ffmpeg -v error -nostdin -f lavfi -i testsrc2=size=320x180:rate=30 -f lavfi -i sine=sample_rate=48000 \
		-c:v libx264 -preset ultrafast -tune zerolatency -g 30 -c:a libopus -t 90 "$OPUS"
	export OPUS
}

setup() {
	DIR=$(mktemp -d "$BATS_FILE_TMPDIR/t.XXXXXX")
}

teardown() {
	[ -z "${PUBLISHER-}" ] || stop "$PUBLISHER"
	stop_streamd
}

# Without tokens, with WebRTC on loopback.
start() { # [lines for "app live"]
	configure "${1-}"
	start_streamd
}

metric() {
	curl -s "http://$HTTP/metrics" | sed -n "s/^streamgate_$1 //p"
}

until_live() {
	for _ in $(seq 200); do
		[ "$(metric 'streams{state="live"}')" != 1 ] || return 0
		sleep 0.05
	done
	cat "$DIR/publish-cam.log" >&2
	return 1
}

# The sound of a stream may come before its first picture.
until_pictures() {
	timeout 60 ffmpeg -v error -nostdin -i "http://$HTTP/live/streams/cam.flv" -frames:v 5 -f null - 3>&-
}

# In the background. The pictures' encoder options are given.
publish_rtmp() {
	timeout 120 ffmpeg -v error -nostdin -re -f lavfi -i testsrc2=size=320x180:rate=30 -f lavfi -i sine=sample_rate=44100 \
		-c:v libx264 -preset ultrafast -g 30 "$@" -c:a aac -f flv "rtmp://$RTMP/live/cam" 2>>"$DIR/publish-cam.log" 3>&- &
	PUBLISHER=$!
	until_live
}

publish_whip() {
	"$BIN/streamplay" --publish "$OPUS" "http://$HTTP/live/whip/cam" >>"$DIR/publish-cam.log" 2>&1 3>&- &
	PUBLISHER=$!
	until_live
}

audio_of() { # URL: FFmpeg's name of its sound, once it has decoded a second of it
	timeout 30 ffmpeg -v info -nostdin -t 1 -i "$1" -map 0:a -f null - 2>"$DIR/player" || return 1
	sed -n 's/.*Stream #0:[0-9].*: Audio: \([a-z0-9]*\).*/\1/p' "$DIR/player" | head -n 1
}

@test "AAC from RTMP is Opus over WebRTC" {
	start
	publish_rtmp -tune zerolatency
	run timeout 60 "$BIN/streamplay" "whep+http://$HTTP/live/whep/cam" --no-window --duration 3s \
		--expect "video=h264,audio=opus,fps>=25"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(metric 'transcoders{media="audio"}')" = 1 ]
	[ "$(metric 'transcoders{media="video"}')" = 0 ]
	[ "$(metric transcoder_frames_dropped_total)" = 0 ]
}

@test "Opus from WebRTC is AAC over RTMP, FLV, TS and SRT, and Opus in HLS" {
	start
	publish_whip
	for url in "rtmp://$RTMP/live/cam" "http://$HTTP/live/streams/cam.flv" "http://$HTTP/live/streams/cam.ts" \
		"srt://$SRT?streamid=#!::r=live/cam,m=request"; do
		echo "$url"
		[ "$(audio_of "$url")" = aac ]
	done
	[ "$(metric transcoders_started_total)" = 1 ] # all of them share it
	[ "$(audio_of "http://$HTTP/live/streams/cam.m3u8")" = opus ]
}

@test "H.264 with B-frames is refused over WebRTC" {
	start
	publish_rtmp -bf 3
	until_pictures # so that it is known before somebody comes
	run timeout 60 "$BIN/streamplay" "whep+http://$HTTP/live/whep/cam" --no-window --duration 2s
	echo "$output"
	[ "$status" -ne 0 ]
	[ "$(metric 'transcoders{media="video"}')" = 0 ]
}

@test "and is played where the application transcodes video" {
	start "transcode_video = on"
	publish_rtmp -bf 3
	until_pictures
	run timeout 60 "$BIN/streamplay" "whep+http://$HTTP/live/whep/cam" --no-window --duration 3s \
		--expect "video=h264,audio=opus,fps>=25"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(metric 'transcoders{media="video"}')" = 1 ]
}

#!/usr/bin/env bats
# Recordings: what is written, what survives kill -9 and a full disk, whose they are, how they go.

load e2e.bash

setup_file() {
	make_source
	start_streamd
	export STREAMD_PID STREAMD_JOB
}

teardown_file() {
	stop_streamd
}

setup() { PUBLISHER=; }

teardown() { [ -z "$PUBLISHER" ] || stop "$PUBLISHER"; }

until_there() { # file: a recording is ready
	for _ in $(seq 200); do
		[ -e "$DIR/rec/live/$1" ] && return
		sleep 0.05
	done
	ls -la "$DIR/rec/live"
	cat "$DIR/err"
	return 1
}

until_grown() { # file bytes
	for _ in $(seq 200); do
		[ "$(stat -c %s "$DIR/rec/live/$1" 2>/dev/null || echo 0)" -gt "$2" ] && return
		sleep 0.05
	done
	ls -la "$DIR/rec/live"
	cat "$DIR/err"
	return 1
}

seconds() { # file: how long it plays
	ffprobe -v error -show_entries format=duration -of csv=p=0 "$DIR/rec/live/$1"
}

more_than() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a > b) }'; } # decimals

sound_and_picture() { # file: it has both, and decodes without a word
	[ "$(ffprobe -v error -show_entries stream=codec_name -of csv=p=0 "$1" | sort | tr '\n' ' ')" = "aac h264 " ]
	run ffmpeg -nostdin -v error -xerror -i "$1" -f null -
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

@test "a stream that is turned on by name is recorded: plain MP4 with its index in front" {
	"$BIN/tokenctl" record on cam
	publish cam "$(token cam --type publish)"
	until_grown .cam.mp4.part 100000
	run ls "$DIR/rec/live"
	[ -z "$output" ] # nobody takes it for a recording yet
	sleep 3
	stop "$PUBLISHER"
	until_there cam.mp4
	sound_and_picture "$DIR/rec/live/cam.mp4"
	more_than "$(seconds cam.mp4)" 2.5
	# moov before mdat, and no fragments.
	run sh -c "ffprobe -v trace '$DIR/rec/live/cam.mp4' 2>&1 | grep -oE \"type:'(moov|mdat|moof)'\" | head -n 2 | tr '\n' ' '"
	[ "$output" = "type:'moov' type:'mdat' " ]
	[ "$(stat -c %a "$DIR/rec/live/cam.mp4")" = 640 ]
	[ ! -e "$DIR/rec/live/.cam.mp4.part" ]
}

@test "the next one of the same stream has another name, and a token opens both and no other's" {
	"$BIN/tokenctl" record on cam
	publish cam "$(token cam --type publish)"
	until_grown .cam_1.mp4.part 100000
	"$BIN/tokenctl" record off cam # ends it while the stream goes on
	until_there cam_1.mp4
	[ "$(http_status "/live/streams/cam_1.mp4?token=$(token cam)")" = 200 ]
	[ "$(http_status "/live/streams/cam_1.mp4?token=$(token cam_1)")" = 403 ]
	[ "$(http_status "/live/streams/cam_1.mp4")" = 401 ]
	"$BIN/tokenctl" sessions --json | jq -e '.items // . | any(.streamId == "cam" and .type == "publish")'
	"$BIN/tokenctl" recordings cam --json | jq -e '[.items[].name] == ["cam.mp4", "cam_1.mp4"] and (.items[0].duration > 2)'
}

@test "how much of the end a crash costs" {
	"$BIN/tokenctl" record on clock
	publish clock "$(token clock --type publish)"
	until_grown .clock.mp4.part 200000
	local size sizes=0 last=0
	# It grows at least once in any second.
	for _ in $(seq 5); do
		last=$(stat -c %s "$DIR/rec/live/.clock.mp4.part")
		sleep 0.9
		[ "$(stat -c %s "$DIR/rec/live/.clock.mp4.part")" -gt "$last" ]
	done
}

@test "a source that comes back goes on in the same file; another format begins one of its own" {
	"$BIN/tokenctl" record on change
	publish change "$(token change --type publish)"
	until_grown .change.mp4.part 100000
	stop "$PUBLISHER"
	ffmpeg -v error -nostdin -re -f lavfi -i testsrc2=size=640x360:rate=30 -f lavfi -i sine=sample_rate=44100 -c:v libx264 \
		-preset ultrafast -tune zerolatency -g 30 -c:a aac -t 60 -f flv "rtmp://$RTMP/live/change?token=$(token change --type publish)" 3>&- &
	PUBLISHER=$!
	until_there change.mp4
	until_grown .change_1.mp4.part 100000
	stop "$PUBLISHER"
	until_there change_1.mp4
	sound_and_picture "$DIR/rec/live/change.mp4"
	sound_and_picture "$DIR/rec/live/change_1.mp4"
	[ "$(ffprobe -v error -select_streams v -show_entries stream=width -of csv=p=0 "$DIR/rec/live/change_1.mp4")" = 640 ]
}

@test "recordings are renamed and deleted; whose they are stays; files put there by hand are found" {
	[ -e "$DIR/rec/live/cam_1.mp4" ]
	cp "$DIR/rec/live/cam_1.mp4" "$DIR/rec/live/byhand.mp4"
	"$BIN/tokenctl" recordings byhand --json | jq -e '.items[0].name == "byhand.mp4" and .items[0].startedAt == null'
	[ "$(http_status "/live/streams/byhand.mp4?token=$(token byhand)")" = 200 ]
	"$BIN/tokenctl" recordings rename cam_1.mp4 film.mp4
	[ "$(http_status "/live/streams/film.mp4?token=$(token cam)")" = 200 ]
	[ "$(http_status "/live/streams/film.mp4?token=$(token film)")" = 403 ]
	run "$BIN/tokenctl" recordings rename film.mp4 byhand.mp4
	[ "$status" -ne 0 ]
	"$BIN/tokenctl" recordings download film.mp4 "$DIR/copy.mp4"
	cmp "$DIR/copy.mp4" "$DIR/rec/live/film.mp4"
	"$BIN/tokenctl" recordings download film.mp4 - | cmp - "$DIR/rec/live/film.mp4"
	run "$BIN/tokenctl" recordings download byhand.mp4 "$DIR/copy.mp4" # is there already
	[ "$status" -eq 1 ]
	cmp "$DIR/copy.mp4" "$DIR/rec/live/film.mp4"
	run "$BIN/tokenctl" recordings download none.mp4 "$DIR/none.mp4"
	[ "$status" -eq 3 ]
	[ ! -e "$DIR/none.mp4" ]
	[ ! -e "$DIR/none.mp4.part" ]
	"$BIN/tokenctl" recordings delete film.mp4
	[ ! -e "$DIR/rec/live/film.mp4" ]
	run "$BIN/tokenctl" recordings delete film.mp4
	[ "$status" -eq 3 ]
}

@test "a recording is downloaded where the file system has no hard links, and no rename that replaces nothing" {
	local have='#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
int link(const char *a, const char *b) { (void)a; (void)b; errno = EPERM; return -1; }'
	local have_not='
int renameat2(int a, const char *b, int c, const char *d, unsigned f)
{ (void)a; (void)b; (void)c; (void)d; (void)f; errno = EINVAL; return -1; }'
	cc -shared -fPIC -o "$DIR/vfat.so" -x c - <<<"$have"
	cc -shared -fPIC -o "$DIR/old.so" -x c - <<<"$have$have_not"
	for so in vfat old; do
		LD_PRELOAD=$DIR/$so.so "$BIN/tokenctl" recordings download cam.mp4 "$DIR/$so.mp4"
		cmp "$DIR/$so.mp4" "$DIR/rec/live/cam.mp4"
		[ ! -e "$DIR/$so.mp4.part" ]
	done
	# What was there stays: a link that leads nowhere is one, too, though nothing is found behind it.
	ln -s "$DIR/nowhere" "$DIR/taken.mp4"
	for so in vfat old; do
		LD_PRELOAD=$DIR/$so.so run "$BIN/tokenctl" recordings download cam.mp4 "$DIR/taken.mp4"
		[ "$status" -eq 1 ]
		[ -L "$DIR/taken.mp4" ]
		[ ! -e "$DIR/nowhere" ]
		[ ! -e "$DIR/taken.mp4.part" ]
	done
}

@test "media is not what an API key of scope read gets" {
	local status=() scope
	for scope in read tokens admin; do
		status+=("$(http_status /api/v1/recordings/live/cam.mp4/file \
			-H "Authorization: Bearer $("$BIN/tokenctl" apikey create --scope "$scope" --quiet)")")
	done
	[ "${status[*]}" = "403 403 200" ]
}

@test "kill -9 costs less than a second; what is left is finished at the next start" {
	"$BIN/tokenctl" record on crash
	publish crash "$(token crash --type publish)"
	until_grown .crash.mp4.part 300000
	sleep 2
	local from
	kill -9 "$STREAMD_PID"
	stop "$PUBLISHER"
	from=$(ffprobe -v error -show_entries format=duration -of csv=p=0 "$DIR/rec/live/.crash.mp4.part")
	more_than "$from" 2
	run_streamd
	until_there crash.mp4
	sound_and_picture "$DIR/rec/live/crash.mp4"
	more_than "$(seconds crash.mp4)" "$(awk -v a="$from" 'BEGIN { print a - 0.2 }')"
	[ "$(http_status "/live/streams/crash.mp4?token=$(token crash)")" = 200 ]
}

#!/usr/bin/env bats
# streamplay --publish: ordinary files over WHIP, whatever they are made of, are seen and heard by WHEP and by RTMP.

load e2e.bash
bats_require_minimum_version 1.5.0

setup_file() {
	start_streamd
	make_files
}

teardown_file() {
	stop_streamd
}

make_files() {
	local input=(-v error -nostdin -f lavfi -i "testsrc2=size=320x180:rate=30" -f lavfi -i "sine=sample_rate=44100")
	local x264=(-c:v libx264 -preset ultrafast -g 30 -pix_fmt yuv420p)

	# Longer than anybody watches ...
	ffmpeg "${input[@]}" -t 60 "${x264[@]}" -c:a aac "$DIR/aac.mp4"
	ffmpeg "${input[@]}" -t 60 "${x264[@]}" -bf 3 -b_strategy 0 -c:a aac "$DIR/b-frames.mp4"
	ffmpeg -v error -nostdin -i "$DIR/aac.mp4" -c copy "$DIR/aac.ts"
	# ... and published to their ends.
	ffmpeg -v error -nostdin -i "$DIR/b-frames.mp4" -t 1 -c copy "$DIR/short.mkv"
	ffmpeg "${input[@]}" -t 1 -c:v mpeg4 -c:a libmp3lame "$DIR/short.avi"
	ffmpeg "${input[@]}" -t 1 "${x264[@]}" -bf 2 -c:a pcm_s16le "$DIR/short.mov"
}

# Until a viewer over WHEP and one over RTMP have had two seconds. Picture and sound are sent and arrive.
is_seen_and_heard() { # file, what is said about it
	local publisher viewer way

	STREAMGATE_TOKEN=$(token "$1" --type publish) "$BIN/streamplay" --publish "$DIR/$1" --json \
		"whip+http://$HTTP/live/whip/$1" >"$DIR/sent" 2>"$DIR/told" 3>&- &
	publisher=$!
	wait_live "$1"
	watch "whep+http://$HTTP/live/whep/$1" "$1" >"$DIR/whep" &
	viewer=$!
	watch "rtmp://$RTMP/live/$1" "$1" >"$DIR/rtmp"
	wait "$viewer"
	kill -INT "$publisher"
	wait "$publisher"
	tail "$DIR"/{told,sent,whep,rtmp}
	[ "$(cat "$DIR/told")" = "streamplay: transcoded, since WebRTC does not take it: $2" ]
	jq -e '.status == "published" and .videoFrames > 60 and .audioFrames / .videoFrames > 1.4 and
		.audioFrames / .videoFrames < 1.9' "$DIR/sent" # thirty a second, and fifty of Opus
	for way in whep rtmp; do
		jq -e '.video.codec == "h264" and .video.decoded >= 40 and .video.frames == .video.decoded and
			.audio.packets >= 60 and .lost == 0' "$DIR/$way"
	done
	[ "$(jq -r .audio.codec "$DIR/whep")" = opus ]
	[ "$(jq -r .audio.codec "$DIR/rtmp")" = aac ]
}

# Two seconds and a half: streamplay's JSON.
watch() { # URL stream
	STREAMGATE_TOKEN=$(token "$2") timeout 60 "$BIN/streamplay" "$1" --no-window --json --duration 2500ms 3>&-
}

# Everything that is in it is sent.
is_published_whole() { # file, what is said about it
	local pictures

	pictures=$(ffprobe -v error -select_streams v -count_packets -show_entries stream=nb_read_packets -of csv=p=0 "$DIR/$1")
	STREAMGATE_TOKEN=$(token "$1" --type publish) run -0 --separate-stderr "$BIN/streamplay" --publish "$DIR/$1" \
		"whip+http://$HTTP/live/whip/$1" --json
	echo "$1: $output $stderr"
	[ "$stderr" = "streamplay: transcoded, since WebRTC does not take it: $2" ]
	jq -e --argjson n "$pictures" '.videoFrames == $n and .audioFrames >= 47 and .audioFrames <= 55 and .seconds > 0.9' <<<"$output"
}

@test "MP4 with AAC: the sound is transcoded, the picture is not" {
	is_seen_and_heard aac.mp4 "the sound from aac to opus"
}

@test "MP4 with B-frames and AAC: both are transcoded" {
	is_seen_and_heard b-frames.mp4 "the picture from h264 with B-frames to h264, the sound from aac to opus"
}

@test "MPEG-TS: H.264 with start codes travels as it is" {
	is_seen_and_heard aac.ts "the sound from aac to opus"
}

@test "other containers and codecs, to the last picture and its sound" {
	is_published_whole short.mkv "the picture from h264 with B-frames to h264, the sound from aac to opus"
	is_published_whole short.avi "the picture from mpeg4 to h264, the sound from mp3 to opus"
	is_published_whole short.mov "the picture from h264 with B-frames to h264, the sound from pcm_s16le to opus"
}

@test "what cannot be published is told in one line, before a token is spent" {
	secret=$(token none --type publish)
	ffmpeg -v error -nostdin -i "$DIR/aac.mp4" -t 1 -c:v libx264 -pix_fmt yuv444p -bf 2 "$DIR/wide.mp4"
	printf '1\n00:00:01,000 --> 00:00:02,000\nWords.\n' >"$DIR/words.srt"
	for file in wide.mp4 words.srt none.mp4; do
		STREAMGATE_TOKEN=$secret run "$BIN/streamplay" --publish "$DIR/$file" "whip+http://$HTTP/live/whip/none"
		echo "$status: $output"
		[ "$status" -eq 1 ]
		[ "${#lines[@]}" -eq 1 ]
		[[ $output =~ ^streamplay:\ .+:\ .+ ]]
	done
	[ "$(uses "$secret" none publish)" -eq 0 ]
}

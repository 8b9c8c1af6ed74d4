#!/usr/bin/env bats
# Sources that change, stop and jump while they are watched, over real sockets: five viewers of five protocols decode
# each of them to the end, in order.
# Runs alone: it measures steps in what five viewers receive.

load e2e.bash

FRAMES_S=25

setup_file() {
	start_streamd
	make_pieces
}

teardown_file() { stop_streamd; }

setup() { STARTED=; }

teardown() {
	for p in $STARTED; do stop "$p"; done
}

start() { # log command...: in the background, ended with its test at the latest; sets CLIENT
	timeout --kill-after=2 60 "${@:2}" >"$BATS_TEST_TMPDIR/$1" 2>&1 </dev/null 3>&- &
	CLIENT=$!
	STARTED="$STARTED $CLIENT"
}

piece() { # name size sound-codec options...: two seconds, a keyframe each
	ffmpeg -v error -nostdin -f lavfi -i "testsrc2=size=$2:rate=$FRAMES_S:duration=2" \
		-f lavfi -i sine=sample_rate=48000:duration=2 -c:v libx264 -preset ultrafast -tune zerolatency \
		-g $FRAMES_S -c:a "$3" "${@:4}" -f mpegts "$BATS_FILE_TMPDIR/$1.ts"
}

make_pieces() {
	piece small 320x180 aac
	piece large 640x360 aac -mpegts_start_pid 0x300
	piece silent 320x180 aac -an
	piece later 320x180 aac -output_ts_offset 5000
	piece earlier 320x180 aac -output_ts_offset 20
	piece wrapping 320x180 aac -output_ts_offset 95440 # 33 bits of 90 kHz end a second behind its beginning
	for i in 0 1 2 3 4 5; do
		piece "size-$i" "$(((i % 2 + 1) * 320))x$(((i % 2 + 1) * 180))" libopus -output_ts_offset $((2 * i))
	done
}

srt_publish() { # stream piece...
	start publisher bash -c 'url=$1; shift; python3 - "$@" <<<"$PACER" | srt-live-transmit -q -chunk:1316 file://con "$url"' - \
		"srt://$SRT?streamid=#!::r=live/$1,m=publish,token=$(token "$1" --type publish)" 60 \
		$(printf "$BATS_FILE_TMPDIR/%s.ts " "${@:2}")
	wait_live "$1"
}

declare -gA URLS=([rtmp]='rtmp://$RTMP/live/$s' [flv]='http://$HTTP/live/streams/$s.flv' [hls]='http://$HTTP/live/streams/$s.m3u8'
	[srt]='srt://$SRT?streamid=#!::r=live/$s,m=request' [whep]='whep+http://$HTTP/live/whep/$s')

# All five watch for so long; then what each tells lies in a file of its name.
watch_all() { # stream seconds
	local s=$1 protocol viewers=()
	for protocol in "${!URLS[@]}"; do
		STREAMGATE_TOKEN=$(token "$s") start "$protocol" "$BIN/streamplay" "$(eval "echo \"${URLS[$protocol]}\"")" \
			--no-window --json --duration "$2s"
		viewers+=("$CLIENT")
	done
	for protocol in "${viewers[@]}"; do wait "$protocol" || true; done
	for protocol in "${!URLS[@]}"; do
		echo "$protocol: $(jq -c '{status, seconds, lost, discontinuities, video, audio}' "$BATS_TEST_TMPDIR/$protocol" || cat "$BATS_TEST_TMPDIR/$protocol")"
	done
}

# Most of what there was to be seen and heard came, nothing broken, and time never stood or ran back. streamplay brings
# the two tracks of WHEP together by their reports, which moves its times. libavformat reads on with a segment's former
# initialization when there is another, so what HLS has where the size changes is looked at by segments_are_well.
all_are_well() { # seconds of pictures, seconds of sound, whether the size changes, steps of half a second that may be
	local protocol may
	for protocol in "${!URLS[@]}"; do
		may=".lost == 0 and .discontinuities <= $4"
		[ "$protocol" != whep ] || may='.lost == 0'
		[ "$protocol-$3" != hls-resized ] || may=".discontinuities <= $4"
		jq -e --argjson pictures "$1" --argjson sound "$2" ".status == \"played\" and $may and
			.video.decoded >= \$pictures * $FRAMES_S and .audio.packets >= \$sound * 46" "$BATS_TEST_TMPDIR/$protocol" >/dev/null ||
			{ echo "$protocol is not well"; return 1; }
	done
}

# Every segment of HLS that is listed decodes without an error behind its own initialization; both sizes are there.
segments_are_well() { # stream
	local master main line map= widths
	master=http://$HTTP/live/streams/$1.m3u8?token=$(token "$1")
	main=http://$HTTP/live/streams/$(curl -sf "$master" | grep main.m3u8)
	curl -sf "$main" | grep -E '^#EXT-X-MAP|^main' >"$BATS_TEST_TMPDIR/listed"
	while read -r line; do # all of them before any is looked at: they are not kept for long
		if [[ $line == '#'* ]]; then
			map=${line#*URI=\"} map=${map%%\"*}
		else
			curl -sf "${main%/*}/$map" "${main%/*}/$line" >"$BATS_TEST_TMPDIR/$line.mp4"
		fi
	done <"$BATS_TEST_TMPDIR/listed"
	for line in "$BATS_TEST_TMPDIR"/main-*.mp4; do
		ffmpeg -nostdin -v info -i "$line" -f null - 2>&1 | sed -n -e 's/.*Video: wrapped.* \([0-9]*\)x.*/\1/p' -e 's/.*[Ee]rror.*\|.*Invalid.*/broken/p'
	done >"$BATS_TEST_TMPDIR/widths"
	widths=$(sort -u "$BATS_TEST_TMPDIR/widths" | paste -sd,)
	echo "HLS's segments: $widths"
	[ "$widths" = 320,640 ]
}

@test "the picture's size changes, sound stops and comes again" {
	srt_publish changes small large silent
	watch_all changes 8
	segments_are_well changes
	all_are_well 6 3 resized 2 # where sound comes again, on a busy machine
}

@test "timestamps jump forward and back, and wrap 33 bits" {
	srt_publish jumps small later earlier wrapping
	watch_all jumps 9
	all_are_well 7 7 same 0
}

@test "32 bits of milliseconds wrap" {
	start publisher ffmpeg -v error -nostdin -re -stream_loop -1 -i "$BATS_FILE_TMPDIR/small.ts" -c copy -output_ts_offset 4294963 \
		-f flv "rtmp://$RTMP/live/wraps?token=$(token wraps --type publish)"
	wait_live wraps
	watch_all wraps 7
	all_are_well 5 5 same 0
}

@test "a browser's picture changes its size" {
	cat "$BATS_FILE_TMPDIR"/size-?.ts >"$BATS_FILE_TMPDIR/sizes.ts"
	STREAMGATE_TOKEN=$(token sizes --type publish) start publisher "$BIN/streamplay" --publish "$BATS_FILE_TMPDIR/sizes.ts" \
		"http://$HTTP/live/whip/sizes"
	wait_live sizes
	watch_all sizes 7
	segments_are_well sizes
	all_are_well 5 5 resized 0
}

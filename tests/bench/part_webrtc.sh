# Fan-out over WebRTC: the server's CPU for a viewer, against the bare cost of encrypting and sending the same
# packets. Part of run.sh, which knows the names used here.

# Two megabits of pictures at 30 a second, a keyframe every two seconds, and Opus; the same with AAC, which is
# transcoded for its viewers.
webrtc_source=$work/webrtc_opus.flv
webrtc_aac=$work/webrtc.flv
make_webrtc_source() {
	[ -s "$webrtc_aac" ] || {
		ffmpeg -v error -nostdin -y -f lavfi -i testsrc2=size=1280x720:rate=30,noise=alls=12:allf=t \
			-f lavfi -i sine=sample_rate=48000 -t 20 -c:v libx264 -preset ultrafast -tune zerolatency -pix_fmt yuv420p \
			-b:v 2M -minrate 2M -maxrate 2M -bufsize 500k -x264-params nal-hrd=cbr -g 60 -c:a aac -b:a 64k \
			-flvflags no_duration_filesize -f flv "$work/webrtc.part" && mv "$work/webrtc.part" "$webrtc_aac"
	}
	[ -s "$webrtc_source" ] || {
		ffmpeg -v error -nostdin -y -f lavfi -i sine=sample_rate=48000 -t 20 -c:a libopus -b:a 64k -vbr off "$work/sound.opus" &&
			python3 "$here/opus_flv.py" "$webrtc_aac" "$work/sound.opus" >"$work/webrtc.part" &&
			mv "$work/webrtc.part" "$webrtc_source"
	}
}

rtc_bare() { # viewers: sets VIEW
	local loop
	rm -f "$dir/rtc.in"
	mkfifo "$dir/rtc.in"
	exec 9<>"$dir/rtc.in"
	timeout -k 5 240 taskset -c "$load_core" "$work/rtc_view" bare 0 0 "$1" "$seconds" <"$dir/rtc.in" >"$dir/rtc.out" 2>"$dir/view.err" &
	local viewers=$!
	pids="$pids $viewers"
	await "$dir/rtc.out" ports
	# shellcheck disable=SC2046
	start "$server_core" "$dir/rtc.bare" "$work/rtc_bare" "$webrtc_source" $(sed -n 's/^ports //p' "$dir/rtc.out")
	loop=$PID
	await "$dir/rtc.bare" sending
	echo "$loop" >&9
	wait "$viewers" || broken "the bare loop's viewers" "$dir/view.err"
	VIEW=$(tail -n 1 "$dir/rtc.out")
	exec 9>&-
	stop "$loop" "$viewers"
}

rtc_ours() { # viewers: sets VIEW
	tokens "$1"
	VIEW=$(on_load "$work/rtc_view" whep "$STREAMD" "$HTTP" "$1" "$seconds" "$dir/sent" live/cam "$dir/tokens" \
		2>"$dir/view.err") || broken "WebRTC viewers are not served ($1)" "$dir/view.err" "$dir/streamd.err"
}

rtc_row() { # who view
	say "| $1 | $n | $(field cpu_us "$2") ($(field cpu_us_min "$2") to $(field cpu_us_max "$2")) | $(field packets_per_s "$2") | $(field lost "$2") | $(field delay_ms_p50 "$2") / $(field delay_ms_p95 "$2") / $(field delay_ms_p99 "$2") |"
}

# From one Chromium page's canvas to another's: what people see.
glass() {
	local way median p99
	"$here/../browser/install.sh"
	BUILD_DIR=$bin timeout 300 node "$here/../browser/glass_test.js" >"$dir/glass" 2>&1 || broken "glass to glass" "$dir/glass"
	say "| glass to glass in Chromium | median | 99th percentile |"
	say "| --- | ---: | ---: |"
	while IFS='|' read -r way median p99; do
		say "| $way | $median ms | $p99 ms |"
		wanted "glass to glass, $way: median" "<=" 200 %.0f "$median" " ms"
	done < <(sed -n 's/^# glass to glass, \(.*\): median \([0-9]*\) ms, p99 \([0-9]*\) ms.*/\1|\2|\3/p' "$dir/glass")
	say ""
}

webrtc() {
	local n ours before after transcoded used
	make_webrtc_source
	say "| WebRTC, 2 Mb/s H.264 and Opus | viewers | CPU µs per viewer-second (middle of 3; range) | packets per second | lost | delay ms, p50 / p95 / p99 |"
	say "| --- | ---: | ---: | ---: | ---: | ---: |"
	# From the publisher's write to a viewer's last packet of the frame; with many viewers on one core it is
	# their number that the last one waits for.
	n=1
	webrtc_listen=127.0.0.1:0 start_streamd auto
	publish_ours "$webrtc_source"
	rtc_ours "$n" && ours=$VIEW && rtc_row "streamd, WHEP" "$ours"
	stop "$PUBLISHER" "$STREAMD"
	wanted "RTMP to WebRTC: delay added, middle" "<=" 5 %.2f "$(field delay_ms_p50 "$ours")" " ms"
	wanted "RTMP to WebRTC: delay added, 99th percentile" "<=" 20 %.2f "$(field delay_ms_p99 "$ours")" " ms"
	webrtc_listen=127.0.0.1:0 start_streamd auto
	publish_ours "$webrtc_aac"
	rtc_ours "$n" && transcoded=$VIEW && rtc_row "streamd, WHEP, of a stream with AAC" "$transcoded"
	stop "$PUBLISHER" "$STREAMD"
	for n in $counts; do
		rtc_bare "$n" && before=$VIEW && rtc_row "bare loop: encrypt, send" "$before"
		used=$(calc %.0f "$(field cpu_us "$before") * $n / 10000")
		if [ "$used" -gt 85 ]; then # there is no room for anything more
			echo "| WebRTC to $n: CPU against the bare loop | ≤ 1.5 | not measured: the bare loop alone takes $used % of the core | |" >>"$rows"
			continue
		fi
		webrtc_listen=127.0.0.1:0 start_streamd auto
		publish_ours "$webrtc_source"
		rtc_ours "$n" && ours=$VIEW && rtc_row "streamd, WHEP" "$ours"
		stop "$PUBLISHER" "$STREAMD"
		rtc_bare "$n" && after=$VIEW && rtc_row "bare loop, again" "$after"
		wanted "WebRTC to $n: CPU against the bare loop" "<=" 1.5 %.2f \
			"$(field cpu_us "$ours") / (($(field cpu_us "$before") + $(field cpu_us "$after")) / 2)"
	done
	say ""
	glass
}

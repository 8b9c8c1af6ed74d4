# Low-latency HLS: viewers on blocking reload, who ask for each part as soon as they hear of it. Part of run.sh,
# which knows the names used here.
llhls() {
	local n=500 seconds=10 found
	[ "${BENCH_QUICK-}" != 1 ] || n=100 seconds=3
	start_streamd auto
	"$bin/tokenctl" disable play >/dev/null # one session each all the same
	publish_ours "$source"
	found=$(on_load "$work/llhls" 127.0.0.1 "$HTTP" /live/streams/cam.m3u8 "$n" "$seconds" "$STREAMD" 2>"$dir/view.err") ||
		broken "LL-HLS viewers are not served" "$dir/view.err" "$dir/streamd.err"
	[ "$(field failures "$found")" = 0 ] || broken "LL-HLS: $found"
	say "| LL-HLS, viewers on blocking reload | CPU µs per viewer-second | playlists per second | parts per second | later than the first to hear of a part by at most 20 ms | middle, 95th, 99th percentile |"
	say "| ---: | ---: | ---: | ---: | ---: | ---: |"
	say "| $n | $(field cpu_us_per_viewer_s "$found") | $(field playlists_per_s "$found") | $(field parts_per_s "$found") | $(calc %.1f "100 * $(field within_20ms "$found")") % | $(field median_ms "$found") / $(field p95_ms "$found") / $(field p99_ms "$found") ms |"
	say ""
	stop "$PUBLISHER" "$STREAMD"
}

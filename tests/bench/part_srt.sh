# SRT fan-out beside srt-live-transmit: srt.sh, which also runs by itself. Part of run.sh.
srt() {
	local table
	[ "${BENCH_QUICK-}" != 1 ] || local -x SRT_COUNTS=5 SRT_SECONDS=3
	table=$(BUILD_DIR=$bin timeout --foreground -k 5 240 bash "$here/srt.sh") || broken "SRT"
	say "$table"
	say ""
}

#!/usr/bin/env bash
# Runs each fuzz target for its share of FUZZ_SECONDS, on a corpus that grows in the build folder, from the seeds of
# tests/fuzz/seeds where there are some.
set -u
seconds=${FUZZ_SECONDS:-60}
share=$((seconds / $#)); [ "$share" -ge 3 ] || share=3
failed=0
for target in "$@"; do
	corpus=$target.corpus seeds=tests/fuzz/seeds/$(basename "$target" _fuzz)
	mkdir -p "$corpus"
	[ ! -d "$seeds" ] || cp "$seeds"/* "$corpus"
	if "$target" -max_total_time="$share" -timeout=10 -rss_limit_mb=2048 -max_len=65536 \
		-artifact_prefix="$target." "$corpus" >"$target.log" 2>&1; then
		printf 'ok   %s: %s runs\n' "$(basename "$target")" \
			"$(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' "$target.log")"
	else
		printf 'FAIL %s\n' "$(basename "$target")"
		tail -n 40 "$target.log" | sed 's/^/    | /'
		failed=$((failed + 1))
	fi
done
echo "fuzz: $(($# - failed)) targets clean, $failed failed"
[ "$failed" -eq 0 ]

#!/usr/bin/env bash
# Runs every test given (cmocka programs, bats files, browser tests) and ends with "N passed, N failed".
# A skipped test counts as failed: what cannot run here must be mended, not passed over.
# usage: tests/run.sh TEST...          TEST_LOGS: where outputs are kept (default build/test-logs)
set -u
logs=${TEST_LOGS:-build/test-logs}
mkdir -p "$logs"
passed=0 failed=0

tally() { # name log status passed failed
	local name=$1 log=$2 status=$3 p=$4 f=$5
	# A crash, a time-out or an empty run is a failure of its own.
	if [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then f=1; fi
	if [ $((p + f)) -eq 0 ]; then f=1; fi
	passed=$((passed + p)) failed=$((failed + f))
	if [ "$f" -gt 0 ]; then
		printf 'FAIL %s: %d passed, %d failed (exit %d)\n' "$name" "$p" "$f" "$status"
		tail -n 60 "$log" | sed 's/^/    | /'
	else
		printf 'ok   %s: %d passed\n' "$name" "$p"
	fi
}

for test in "$@"; do
	name=$(basename "$test")
	log=$logs/$name.log
	case $test in
	*.bats)
		timeout --kill-after=10 900 bats --tap "$test" >"$log" 2>&1 </dev/null
		status=$?
		p=$(grep -cE '^ok [0-9]+' "$log")
		s=$(grep -cE '^ok [0-9]+.*# skip' "$log")
		f=$(grep -cE '^not ok [0-9]+' "$log")
		tally "$name" "$log" "$status" $((p - s)) $((f + s))
		;;
	*.js)
		timeout --kill-after=10 900 node --test-reporter=tap "$test" >"$log" 2>&1 </dev/null
		status=$?
		p=$(grep -cE '^ok [0-9]+' "$log")
		s=$(grep -cE '^(not )?ok [0-9]+.*# (SKIP|TODO)' "$log")
		f=$(grep -cE '^not ok [0-9]+' "$log")
		tally "$name" "$log" "$status" $((p - s)) $((f + s))
		;;
	*)
		timeout --kill-after=10 600 "$test" >"$log" 2>&1 </dev/null
		status=$?
		p=$(grep -cE '^\[ +OK +\]' "$log")
		f=$(grep -cE '^\[ +(FAILED|SKIPPED) +\] [A-Za-z_]' "$log")
		# cmocka names each failure once where it happens and once in its summary.
		f=$(((f + 1) / 2))
		tally "$name" "$log" "$status" "$p" "$f"
		;;
	esac
done
echo
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]

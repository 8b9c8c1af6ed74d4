#!/usr/bin/env bash
# Runs every test given (cmocka programs, bats files, browser tests), some at a time, reports them in the order
# given and ends with "N passed, N failed". A skipped test counts as failed: what cannot run here must be
# mended, not passed over.
# A test whose file has a line "Runs alone: WHY" measures times: it runs after the others, with nothing beside it.
# usage: tests/run.sh TEST...          TEST_LOGS: where outputs are kept (default build/test-logs)
#                                      TEST_JOBS: how many run at a time (default 2)
set -u
logs=${TEST_LOGS:-build/test-logs}
at_a_time=${TEST_JOBS:-2}
mkdir -p "$logs"
passed=0 failed=0

log_of() { echo "$logs/$(basename "$1").log"; }

# An interrupt at the terminal is not kept from a test, as a shell does for its background jobs.
limited() { # seconds command...
	exec env --default-signal=INT,QUIT timeout --kill-after=10 "$@"
}

run() { # test: its output into its log, then its exit status beside it
	local log
	log=$(log_of "$1")
	rm -f "$log.status"
	case $1 in
	*.bats) (limited 900 bats --timing --tap "$1") >"$log" 2>&1 </dev/null ;;
	*.js) (limited 900 node --test-reporter=tap "$1") >"$log" 2>&1 </dev/null ;;
	*) (limited 600 "$1") >"$log" 2>&1 </dev/null ;;
	esac
	echo $? >"$log.status"
}

report() { # test: one line, and the end of its log if it failed
	local log status p s=0 f
	log=$(log_of "$1") status=$(cat "$(log_of "$1").status")
	case $1 in
	*.bats | *.js)
		s=$(grep -ciE '^ok [0-9]+.*# (skip|todo)' "$log")
		p=$(($(grep -cE '^ok [0-9]+' "$log") - s))
		f=$(($(grep -cE '^not ok [0-9]+' "$log") + s))
		;;
	*)
		p=$(grep -cE '^\[ +OK +\]' "$log")
		# cmocka names each failure once where it happens and once in its summary.
		f=$((($(grep -cE '^\[ +(FAILED|SKIPPED) +\] [A-Za-z_]' "$log") + 1) / 2))
		;;
	esac
	# A crash, a time-out or an empty run is a failure of its own.
	if [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then f=1; fi
	if [ $((p + f)) -eq 0 ]; then f=1; fi
	passed=$((passed + p)) failed=$((failed + f))
	if [ "$f" -gt 0 ]; then
		printf 'FAIL %s: %d passed, %d failed (exit %d)\n' "$(basename "$1")" "$p" "$f" "$status"
		tail -n 60 "$log" | sed 's/^/    | /'
	else
		printf 'ok   %s: %d passed\n' "$(basename "$1")" "$p"
	fi
}

together=() alone=()
for test in "$@"; do
	if grep -qsI '^\(//\|#\) Runs alone: ' "$test"; then alone+=("$test"); else together+=("$test"); fi
done

waiting=("${together[@]}" "${alone[@]}") # what is not reported yet
report_ended() {
	while [ ${#waiting[@]} -gt 0 ] && [ -e "$(log_of "${waiting[0]}").status" ]; do
		report "${waiting[0]}"
		waiting=("${waiting[@]:1}")
	done
}

# Each job's only child is the timeout that ends its test.
trap 'for job in $(jobs -p); do pkill -TERM -P "$job"; done; wait; exit 130' INT TERM
for test in "$@"; do rm -f "$(log_of "$test").status"; done
start() { # at-a-time test...
	local most=$1 test
	for test in "${@:2}"; do
		while [ "$(jobs -rp | wc -l)" -ge "$most" ]; do
			wait -n
			report_ended
		done
		run "$test" &
	done
	while wait -n; [ -n "$(jobs -rp)" ]; do report_ended; done
}
start "$at_a_time" "${together[@]}"
start 1 "${alone[@]}"
for test in "$@"; do
	[ -e "$(log_of "$test").status" ] || echo 255 >"$(log_of "$test").status"
done
report_ended
echo
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]

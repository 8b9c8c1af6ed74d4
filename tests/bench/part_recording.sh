# What a recording costs its stream in CPU, recorded and not, by turns, and what of it its own thread takes: eight live streams in one server with
# nobody watching, the same with their HLS packaged, and one that a hundred watch. Part of run.sh, which knows
# the names used here.
recorder_us() {
	local task
	for task in /proc/"$STREAMD"/task/*; do
		[ "$(cat "$task/comm")" != sg-record ] || echo $(($(cut -d " " -f 1 "$task/schedstat") / 1000))
	done
}

# The middle of the turns: one in which the machine had something else to do must not decide.
recording_turns() { # what streams
	local off=() on=() own=() seconds=3 _
	spent() { # on|off: sets SPENT and OWN, CPU µs per stream-second
		local before own_before
		"$bin/tokenctl" record "$1" >/dev/null
		sleep 2.5 # files are opened, or finished
		before=$(cpu_us "$STREAMD") own_before=$(recorder_us)
		sleep "$seconds"
		SPENT=$((($(cpu_us "$STREAMD") - before) / seconds / $2))
		OWN=$((($(recorder_us) - own_before) / seconds / $2))
	}
	for _ in 1 2 3 4 5; do
		spent off "$2" && off+=("$SPENT")
		spent on "$2" && on+=("$SPENT") own+=("$OWN")
	done
	[ "$(find "$dir/sg/rec" -name '*.mp4*' | wc -l)" -ge "$2" ] || broken "nothing is recorded" "$dir/streamd.err"
	say "| $1 | $(middle "${off[@]}") | $(middle "${on[@]}") | $(middle "${own[@]}") |"
	wanted "recording, $1: more CPU" "<=" 5 %.1f "($(middle "${on[@]}") / $(middle "${off[@]}") - 1) * 100" " %"
}

recording() {
	local streams=8 i at publishers=
	start_streamd auto
	for i in $(seq "$streams"); do
		start "$load_core" "$dir/publish" "$work/publish" "$source" "$RTMP" live \
			"r$i?token=$("$bin/tokenctl" create "r$i" --type publish --quiet)" "$dir/sent"
		publishers="$publishers $PID"
		await "$dir/publish" publishing
	done
	sleep 2
	say "| streams of 4 Mb/s, CPU µs per stream-second (middle of 5) | not recorded | recorded | of it sg-record |"
	say "| --- | ---: | ---: | ---: |"
	recording_turns "$streams streams, nobody watching" "$streams"
	at=http://127.0.0.1:$HTTP/live/streams
	for i in $(seq "$streams"); do
		curl -sf -o "$dir/hls" "$at/$(curl -sf "$at/r$i.m3u8?token=$("$bin/tokenctl" create "r$i" --quiet)" |
			grep -v '^#' | head -n 1)" || broken "no playlist of r$i" "$dir/streamd.err"
	done
	recording_turns "$streams streams, packaged as HLS" "$streams"
	# shellcheck disable=SC2086
	stop $publishers "$STREAMD"

	start_streamd auto
	publish_ours "$source"
	tokens 100
	start "$load_core" "$dir/view" "$work/view" rtmp "$STREAMD" "$RTMP" 100 60 "$dir/sent" live/cam "$dir/tokens"
	i=$PID
	sleep 3
	recording_turns "a stream with 100 viewers over RTMP" 1
	kill -0 "$i" 2>/dev/null || broken "the viewers were sent away" "$dir/view.err"
	say ""
	stop "$i" "$PUBLISHER" "$STREAMD"
}

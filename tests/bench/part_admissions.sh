# Durable admissions per second, on the disk that the build is on: the gate, what one would do without it, and
# Redis; and what a token costs among few and among many. Part of run.sh, which knows the names used here.
#
# What is compared takes turns, and a ratio is the middle of the rounds' ratios.

fresh() { rm -rf "$dir/store" && mkdir "$dir/store"; }
# Makes the tokens and waits for its turns: they are given on descriptor FD, its answers come on the next one. Sets LOAD.
start_load() { # fd who mode where tokens amount
	mkfifo "$dir/$2.in" "$dir/$2.out"
	timeout -k 5 600 "$work/gate_load" "$3" "$4" "$5" "$6" <"$dir/$2.in" >"$dir/$2.out" 2>"$dir/$2.err" &
	LOAD=$!
	pids="$pids $LOAD"
	eval "exec $1>'$dir/$2.in' $(($1 + 1))<'$dir/$2.out'"
	answer "$1" "$2"
	[ "$ANSWER" = ready ] || broken "gate_load, $2" "$dir/$2.err"
}
answer() { # fd who: sets ANSWER
	read -r -t 300 ANSWER <&$(($1 + 1)) || broken "gate_load, $2" "$dir/$2.err"
}
turn() { # fd who order: its line goes to $dir/adm.WHO.ORDER
	echo "$3" >&"$1"
	answer "$1" "$2"
	echo "$ANSWER" >>"$dir/adm.$2.$3"
}
end_load() { # fd pid
	eval "exec $1>&- $(($1 + 1))<&-"
	stop "$2"
}

admission_row() { # name who
	local order
	for order in recent random; do
		say "| $1 | $order | $(mid "adm.$2.$order" per_second) | $(calc %.2f "$(mid "adm.$2.$order" wait_us_p50) / 1000") | $(calc %.2f "$(mid "adm.$2.$order" wait_us_p99) / 1000") |"
	done
}

admissions() {
	local port redis gate peer who order i
	for who in wal roll; do
		fresh && start_load 7 "$who" "$who" "$dir/store" "$million" "$admission_seconds"
		peer=$LOAD
		for order in recent random; do turn 7 "$who" "$order"; done
		end_load 7 "$peer"
	done
	fresh && mkdir "$dir/redis_store"
	port=$(free_port)
	start "0-$((cores - 1))" "$dir/redis" redis-server --port "$port" --bind 127.0.0.1 --dir "$dir/redis_store" --appendonly yes \
		--appendfsync everysec --save '' --auto-aof-rewrite-percentage 0
	redis=$PID
	await "$dir/redis" 'Ready to accept'
	start_load 3 redis redis "$port" "$million" "$admission_seconds" && peer=$LOAD
	start_load 5 gate gate "$dir/store" "$million" "$admission_seconds" && gate=$LOAD
	for order in recent random; do
		for i in $(seq "$(((rounds + 1) / 2))"); do
			turn 5 gate "$order"
			turn 3 redis "$order"
		done
	done
	end_load 5 "$gate"
	end_load 3 "$peer"
	stop "$redis"
	say "| durable admissions, $million tokens | tokens drawn | per second | wait ms, p50 | p99 |"
	say "| --- | --- | ---: | ---: | ---: |"
	admission_row "streamgate's gate, hold and commit, 64 in flight" gate
	admission_row "SQLite, a WAL transaction each" wal
	admission_row "SQLite, a rollback-journal transaction each" roll
	admission_row "Redis 7, Lua, appendfsync always, 64 in flight" redis
	say ""
	for order in recent random; do
		wanted "admissions, $order: against one WAL transaction each" ">=" 5 %.1f "$(mid "adm.gate.$order" per_second) / $(mid "adm.wal.$order" per_second)"
		wanted "admissions, $order: against the rollback journal" ">=" 20 %.1f "$(mid "adm.gate.$order" per_second) / $(mid "adm.roll.$order" per_second)"
		wanted "admissions, $order: against Redis" ">=" 1 %.2f "$(mid_ratio "adm.gate.$order" "adm.redis.$order" per_second)"
	done
}

token_path() {
	local few many i
	fresh && mkdir "$dir/few_store"
	start_load 3 few look "$dir/few_store" 10000 10000 && few=$LOAD
	start_load 5 many look "$dir/store" "$large" 10000 && many=$LOAD
	for i in $(seq "$rounds"); do
		turn 3 few random
		turn 5 many random
	done
	end_load 3 "$few"
	end_load 5 "$many"
	fresh
	wanted "look-up and use of a token of $large_name against 10,000: CPU ($(mid adm.many.random cpu_us) : $(mid adm.few.random cpu_us) µs)" \
		"<=" 1.5 %.2f "$(mid_ratio adm.many.random adm.few.random cpu_us)"
	wanted "the same: time ($(calc %.1f "1000000 / $(mid adm.many.random per_second)") : $(calc %.1f "1000000 / $(mid adm.few.random per_second)") µs)" \
		"<=" 1.5 %.2f "$(mid_ratio adm.few.random adm.many.random per_second)"
}

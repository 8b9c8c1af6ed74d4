#!/usr/bin/env bats
# tokenctl watch: a screen on a terminal, lines elsewhere.
load cli_tokenctl_fixture

watch() { # COLS ROWS: the script on standard input
	TERM=${TERM_IS:-xterm} python3 "$BATS_TEST_DIRNAME/cli_shell.py" "$1" "$2" tokenctl watch
}

sessions() { # N viewers and a publisher
	jq -nc --argjson n "$1" '{items: ([range($n) | {id: "0d3bq8kq4v\(100 + .)", app: "live", streamId: "cam",
		type: "play", protocol: "hls", address: "192.0.2.1", userAgent: "viewer \u001b[2J", state: "active",
		startedAt: 1700000000, token: null, bytes: 1000}] + [{id: "0d3bq8kq4v2mc", app: "live",
		streamId: "cam", type: "publish", protocol: "rtmp", address: "192.0.2.9", userAgent: "enc",
		state: "active", startedAt: 1700000000, token: null, bytes: 5000000}]), next: null}'
}

@test "it shows who is in, publishers first, and what the gate says" {
	stand_in 200 "$(sessions 3)"
	tokenctl enable play
	watch 120 24 <<-'END'
		see \x1b\[\?1049h
		see 1 publishing, 3 watching
		see STREAM.*publish.*192.0.2.9.*5.0 MB.*viewer \?\[2J
		see setting.*play_token on
		type q
		see \x1b\[\?25h\x1b\[\?1049l
		end 0
	END
}

@test "it draws anew as things change, and at once when the terminal does" {
	stand_in 200 "$(sessions 0)"
	watch 120 24 >"$dir/first" <<-'END' &
		see 1 publishing, 0 watching
		see 1 publishing, 2 watching
		size 50 10
		see 1 publishing, 2 watching +[^ ]*q leaves
		type \x03
		see 1049l
		end 0
	END
	job=$!
	for _ in $(seq 100); do grep -aq 'nothing has happened\|0 watching' "$dir/first" && break || sleep 0.05; done
	stand_in 200 "$(sessions 2)"
	wait "$job"
}

@test "no line passes the terminal's edges, whatever its size" {
	stand_in 200 "$(sessions 60)"
	tokenctl enable play
	for size in '200 50' '80 24' '40 12' '20 5' '3 2' '1 1'; do
		read -r cols rows <<<"$size"
		printf 'see 1049h\nsee \\x1b\\[H.\ntype q\nsee 1049l\nend 0\n' |
			NO_COLOR=1 watch "$cols" "$rows" >"$dir/drawn"
		python3 - "$cols" "$rows" "$dir/drawn" <<-'END'
			import re, sys
			cols, rows, text = int(sys.argv[1]), int(sys.argv[2]), open(sys.argv[3], encoding="utf-8", newline="").read()
			frames = text.split("\x1b[H")[2:]  # behind the one that clears the screen
			assert frames
			for frame in frames:
			    lines = re.sub("\x1b\\[[?0-9;]*[A-Za-z]", "", frame).split("\r\r\n")
			    assert len(lines) <= rows, (len(lines), rows)
			    for line in lines:
			        assert len(line.rstrip("\r\n")) <= cols, (cols, line)
		END
	done
}

@test "NO_COLOR means no colours" {
	printf 'see 1049h\nsee nobody is in\ntype q\nsee 1049l\nend 0\n' >"$dir/script"
	NO_COLOR=1 watch 80 24 <"$dir/script" >"$dir/plain"
	[ -z "$(grep -aE $'\033\\[[1-9][0-9;]*m' "$dir/plain")" ]
	watch 80 24 <"$dir/script" >"$dir/colour"
	grep -aqE $'\033\\[[1-9][0-9;]*m' "$dir/colour"
}

@test "without streamd it says so, and goes on" {
	watch 80 24 <<-'END'
		see streamd is not running
		see \x1b\[H.*streamd is not running
		type q
		see 1049l
		end 0
	END
}

@test "on a pipe, with --json and on a dumb terminal it prints lines as things happen" {
	tokenctl enable play
	tokenctl watch >"$dir/lines" 3>&- &
	job=$!
	for _ in $(seq 100); do grep -q 'play_token on' "$dir/lines" && break || sleep 0.05; done
	tokenctl disable publish
	for _ in $(seq 100); do grep -q 'publish_token off' "$dir/lines" && break || sleep 0.05; done
	kill -INT "$job"
	wait "$job"
	[ "$(grep -c 'play_token on' "$dir/lines")" -eq 1 ]
	grep -q 'publish_token off' "$dir/lines"
	TERM_IS=dumb watch 80 24 <<-'END' >"$dir/dumb"
		see TIME.*setting
		type \x03
		end 0
	END
	[ -z "$(grep -a 1049h "$dir/dumb")" ]
	timeout -s INT 2 tokenctl watch --json | head -n 1 | jq -e '.event == "setting"'
}

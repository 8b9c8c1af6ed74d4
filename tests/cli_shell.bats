#!/usr/bin/env bats
# tokenctl alone on a terminal: the shell, as SHELL in its manual tells it. tests/cli_shell.py sits at
# the terminal.
load cli_tokenctl_fixture

shell() { # [OPTIONS...]: the script on standard input
	XDG_STATE_HOME=$dir/state TERM=xterm INPUTRC=/dev/null \
		python3 "$BATS_TEST_DIRNAME/cli_shell.py" "${columns:-100}" 30 tokenctl "$@"
}

history_file() { cat "$dir/state/streamgate/history"; }

@test "lines run as commands; errors do not leave; the status is the last command's" {
	shell <<-'END'
		see streamgate>
		type create cam --label 'one "two"' --type publish\r
		see token  .*streamgate>
		type lst\r
		see did you mean 'list'.*streamgate>
		type tokenctl list --csv\r
		see publish,active.*"one ""two""".*streamgate>
		type list 'cam\r
		see never closed.*streamgate>
		type list | wc\r
		see no pipes.*streamgate>
		type # nothing\r
		see streamgate>
		type show 0000000000000\r
		see no token 0000000000000.*streamgate>
		type exit\r
		end 3
	END
}

@test "without a terminal there is no shell" {
	fails 2 tokenctl </dev/null
}

@test "options of one line are gone in the next, and those of the start stay" {
	sed "s|t.db|other.db|" "$STREAMGATE_CONFIG" >"$dir/other.conf"
	shell --config "$dir/other.conf" <<-'END'
		see other.db.*streamgate>
		type create cam --json --app lab\r
		see "app":"lab".*streamgate>
		type create cam --quiet\r
		see [A-Za-z0-9_-]{32}\r.*streamgate>
		type list cam\r
		see live  cam.*streamgate>
		type \x04
		end 0
	END
	[ ! -e "$dir/t.db" ]
	[ "$(tokenctl list --config "$dir/other.conf" | wc -l)" -eq 2 ]
}

@test "Tab completes commands, options, values, applications, streams, tokens" {
	id=$(tokenctl create cam-77 --label x --json | jq -r .id)
	shell <<-END
		see streamgate>
		type cre\t
		see create
		type cam\t
		see cam-77
		type --expires-\t
		see --expires-at
		type \x03
		see streamgate>
		type list --st\tex\t\r
		see list --state expired.*none.*streamgate>
		type list --type=pu\t\r
		see list --type=publish.*none.*streamgate>
		type list --app la\t\r
		see list --app lab.*none.*streamgate>
		type show \t\r
		see show $id.*streamgate>
		type apikey \t\t
		see create +list +revoke
		type \x03
		see streamgate>
		type audit --reason alr\t\r
		see already_publishing.*streamgate>
		type help ki\t\r
		see tokenctl kick.*streamgate>
		type exit\r
		end 0
	END
}

@test "Tab offers the ids of live streams and of sessions" {
	stand_in 200 '{"items":[{"id":"0d3bq8kq4v2mc","app":"live","streamId":"onair"}],"next":null}'
	shell <<-'END'
		see streamgate>
		type create on\t\r
		see create onair.*token .*streamgate>
		type kick \t\r
		see kick 0d3bq8kq4v2mc.*streamgate>
		type exit\r
		end 0
	END
}

@test "completion makes no store, and is quiet where there is none" {
	shell <<-'END'
		see streamgate>
		type show \t\x03
		see \^C.*streamgate>
		type exit\r
		end 0
	END
	[ ! -e "$dir/t.db" ]
}

@test "the history has what was typed, mode 0600, and no secrets" {
	token=$(tokenctl create cam --quiet)
	shell <<-END
		see streamgate>
		type check $token --stream cam\r
		see admitted.*streamgate>
		type check ${token:0:31} --stream cam\r
		see refused.*streamgate>
		type show "${token:0:10}"'${token:10}'\r
		see state.*streamgate>
		type explain 'http://h/live/streams/cam.m3u8?token=$token'\r
		see CHECK.*streamgate>
		type passwd hunter2hunter2\r
		see tokenctl: .*streamgate>
		type list --label $token\r
		see no option.*streamgate>
		type check '$token --stream cam\r
		see never closed.*streamgate>
		type  status --app secret\r
		see streamgate>
		type status\r
		see SET BY.*streamgate>
		type status\r
		see SET BY.*streamgate>
		type exit\r
		end 0
	END
	history_file
	[ "$(stat -c %a "$dir/state/streamgate/history")" = 600 ]
	[ "$(stat -c %a "$dir/state/streamgate")" = 700 ]
	[ -z "$(history_file | grep -F "${token:0:8}")" ]
	[ -z "$(history_file | grep -F "${token:20:10}")" ]
	[ -z "$(history_file | grep 'hunter2\|secret')" ]
	[ "$(history_file | grep -cx status)" -eq 1 ]
	history_file | grep -qx 'check \[redacted\] --stream cam'
	# It is there again the next time.
	shell <<-'END'
		see streamgate>
		type \x1b[A\x1b[A\r
		see status.*SET BY.*streamgate>
		type \x04
		end 0
	END
}

@test "a history of another mode is closed to others; one that is a link is not followed" {
	mkdir -p "$dir/state/streamgate"
	echo list >"$dir/state/streamgate/history"
	chmod 666 "$dir/state/streamgate/history"
	printf 'see streamgate>\ntype status\\r\nsee streamgate>\ntype exit\\r\nend 0\n' >"$dir/script"
	shell <"$dir/script"
	[ "$(stat -c %a "$dir/state/streamgate/history")" = 600 ]
	mv "$dir/state/streamgate/history" "$dir/elsewhere"
	cp "$dir/elsewhere" "$dir/before"
	ln -s "$dir/elsewhere" "$dir/state/streamgate/history"
	shell <"$dir/script" | grep -q 'history is not kept'
	cmp "$dir/before" "$dir/elsewhere"
}

@test "a thousand lines of history are kept" {
	mkdir -p "$dir/state/streamgate"
	seq 3000 | sed 's/^/show /' >"$dir/state/streamgate/history"
	printf 'see streamgate>\ntype exit\\r\nend 0\n' | shell
	[ "$(history_file | wc -l)" -le 1001 ]
	history_file | grep -qx 'show 3000'
	[ "$(stat -c %a "$dir/state/streamgate/history")" = 600 ]
}

@test "Ctrl-C gives up a line; it ends --follow and watch, and the shell goes on" {
	tokenctl enable play
	shell <<-'END'
		see streamgate>
		type revoke --stream cam
		see revoke --stream cam
		type \x03
		see \^C[^\n]*\n[^\n]*streamgate>
		type status\r
		see SET BY.*streamgate>
		type audit --follow\r
		see TIME.*play_token on
		type \x03
		see streamgate>
		type watch\r
		see nobody is in
		type \x03
		see \x1b\[\?1049l.*streamgate>
		type watch\r
		see nobody is in
		type q
		see \x1b\[\?1049l.*streamgate>
		type check - --stream cam\r
		see not shown
		type \x03
		see interrupted.*streamgate>
		type list\r
		see none.*streamgate>
		type exit\r
		end 0
	END
	[ -z "$(history_file | grep revoke)" ]
}

@test "a token that - asks for is not shown" {
	token=$(tokenctl create cam --quiet)
	shell <<-END >"$dir/shown"
		see streamgate>
		type check - --stream cam\r
		see not shown
		type $token\r
		see admitted.*streamgate>
		type exit\r
		end 0
	END
	[ -z "$(grep -F "$token" "$dir/shown")" ]
}

@test "a terminal that goes away ends the shell" {
	printf 'see streamgate>\nhangup\n' | shell
	printf 'see streamgate>\ntype watch\\r\nsee nobody is in\nhangup\n' | shell
}

@test "a mistake in the configuration is told before the first prompt" {
	printf '[http]\nlissen = 1\n' >"$dir/bad.conf"
	shell --config "$dir/bad.conf" <<-'END'
		see bad.conf:2
		end 2
	END
}

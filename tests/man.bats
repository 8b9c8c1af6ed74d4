#!/usr/bin/env bats
# The manual and the completion say what the programs do.

setup() {
	root=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
	build=${BUILD_DIR:-build}
	[[ $build == /* ]] || build=$root/$build
	PATH=$build:$PATH
	commands=$(tokenctl --help | sed -n 's/^  \([a-z]*\( [a-z]\+\)\?\) .*/\1/p')
}

@test "every page is clean to mandoc and renders" {
	for page in "$root"/man/*.[158]; do
		# References to each other are checked below, where no database of manuals is needed.
		run mandoc -T lint -W warning "$page"
		echo "$output"
		[ "$status" -eq 0 ]
		[ "$(mandoc -T utf8 "$page" | wc -l)" -gt 30 ]
	done
}

@test "pages refer to pages that exist" {
	cat "$root"/man/*.[158] | sed -n 's/.*Xr \([a-z.]*\) \([0-9]\).*/\1.\2/p' | sort -u |
		while read -r page; do
			[ -f "$root/man/$page" ] || [[ $page =~ ^(systemd.1|ps.1|sh.1|qrencode.1|readline.3)$ ]]
		done
}

@test "tokenctl(1) tells every command and every option" {
	mandoc -T ascii "$root/man/tokenctl.1" | col -b >"$BATS_TEST_TMPDIR/page"
	[ "$(wc -l <<<"$commands")" -ge 15 ]
	while read -r command; do
		grep -q "^     tokenctl .*${command%% *}" "$BATS_TEST_TMPDIR/page"
		tokenctl $command --help </dev/null | sed -n 's/^  \(--[a-z-]*\).*/\1/p' |
			while read -r option; do
				grep -q -- "$option\b" "$BATS_TEST_TMPDIR/page" || { echo "$command $option"; false; }
			done
	done <<<"$commands"
}

@test "tokenctl(1) tells which commands need streamd, and what a key of which scope may do" {
	export STREAMGATE_CONFIG=$BATS_TEST_TMPDIR/sg.conf
	printf '[store]\nurl = sqlite:%s/t.db\n[admin]\nsocket = %s/none\n' "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR" >"$STREAMGATE_CONFIG"
	mandoc -T ascii "$root/man/tokenctl.1" | col -b | tr -s ' \n' ' ' >"$BATS_TEST_TMPDIR/page"
	grep -o 'Only [^.]* need it to run\.' "$BATS_TEST_TMPDIR/page" >"$BATS_TEST_TMPDIR/need"
	for command in 'sessions' 'kick 0d3bq8kq4v2mc' 'recordings' 'recordings delete a.mp4' 'list' 'audit' 'status' 'purge' 'record on cam'; do
		needs=0
		tokenctl $command 2>&1 | grep -q 'streamd is not running (' && needs=1
		told=0
		grep -qw "${command%% *}" "$BATS_TEST_TMPDIR/need" && told=1
		[ "$needs $command" = "$told $command" ]
	done
	# Every command that --url takes stands in the text about scopes.
	grep -o 'The scope read is enough .* they are refused\.' "$BATS_TEST_TMPDIR/page" >"$BATS_TEST_TMPDIR/scopes"
	for command in $(tokenctl --help | sed -n 's/^  \([a-z]*\) .*/\1/p' | sort -u); do
		[ "$command" = help ] || grep -qw "$command" "$BATS_TEST_TMPDIR/scopes"
	done
}

@test "tokenctl(1) tells no option that there is not" {
	while read -r command; do
		tokenctl $command --help </dev/null
	done <<<"$commands" | sed -n 's/^  \(--[a-z-]*\).*/\1/p' | sort -u >"$BATS_TEST_TMPDIR/options"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/options")" -gt 20 ]
	mandoc -T ascii "$root/man/tokenctl.1" | col -b | grep -oE -- '--[a-z][a-z-]*' | sort -u >"$BATS_TEST_TMPDIR/told"
	diff "$BATS_TEST_TMPDIR/told" "$BATS_TEST_TMPDIR/options"
}

@test "streamd(8) and streamplay(1) tell every option of --help" {
	for program in streamd.8 streamplay.1; do
		mandoc -T ascii "$root/man/$program" | col -b >"$BATS_TEST_TMPDIR/page"
		"${program%.*}" --help | grep -oE -- '--[a-z][a-z-]*' | sort -u >"$BATS_TEST_TMPDIR/options"
		[ -s "$BATS_TEST_TMPDIR/options" ]
		while read -r option; do
			grep -q -- "$option\b" "$BATS_TEST_TMPDIR/page" || { echo "$program $option"; false; }
		done <"$BATS_TEST_TMPDIR/options"
	done
}

# What bash would offer after these words (the last may be empty).
offers() {
	source "$root/man/tokenctl.bash-completion"
	COMP_WORDS=(tokenctl "$@")
	COMP_CWORD=$#
	COMPREPLY=()
	_tokenctl
	printf '%s\n' "${COMPREPLY[@]}"
}

@test "completion offers commands, options, values and ids" {
	export STREAMGATE_CONFIG=$BATS_TEST_TMPDIR/sg.conf
	printf '[store]\nurl = sqlite:%s/t.db\n' "$BATS_TEST_TMPDIR" >"$STREAMGATE_CONFIG"
	[ "$(offers cre)" = create ]
	offers '' | grep -qx purge
	offers create cam --exp | grep -qx -- --expires-at
	! offers list --exp | grep -q expires || false
	offers apikey create --sc | grep -qx -- --scope
	[ "$(offers list --state ex)" = expired ]
	# As bash takes them apart.
	[ "$(offers list --state = ex)" = expired ]
	[ "$(offers create cam --qr = h)" = hls ]
	offers create cam --qr = | grep -qx mp4
	[ "$(offers status --ur)" = --url ]
	[ "$(offers create --url http : //127.0.0.1 : 1 --key-file key cam --exp | sort | head -n 1)" = --expires ]
	[ "$(offers wat)" = watch ]
	[ "$(offers apikey re)" = revoke ]
	id=$(tokenctl create cam --json | jq -r .id)
	[ "$(offers show '')" = "$id" ]
	[ "$(offers --config "$STREAMGATE_CONFIG" show '')" = "$id" ]
	[ "$(offers audit --stream c)" = cam ]
	# Every reason and event offered is one that the command takes, and that the page tells.
	mandoc -T ascii "$root/man/tokenctl.1" | col -b >"$BATS_TEST_TMPDIR/page"
	[ "$(offers audit --reason '' | wc -l)" -gt 20 ]
	for reason in $(offers audit --reason ''); do
		tokenctl audit --reason "$reason"
		grep -qw "$reason" "$BATS_TEST_TMPDIR/page"
	done
	for event in $(offers audit --event ''); do tokenctl audit --event "$event"; done
	offers recordings do | grep -qx download
}

@test "completion runs nothing of what a server says" {
	cd "$BATS_TEST_TMPDIR"
	mkdir far
	cat >far/tokenctl <<-'END'
		#!/bin/sh
		printf 'id\tlive\t%s\n' '$(touch owned)' '`touch owned`' plain
	END
	chmod +x far/tokenctl
	[ "$(PATH=$PWD/far:$PATH offers create --url http://far --key-file k '')" = plain ]
	[ ! -e owned ]
}

#!/usr/bin/env bats
# `make install`, as an administrator or a packager sees it.

setup() {
	into=$BATS_TEST_TMPDIR/into
	cd "$BATS_TEST_DIRNAME/.." || return
}

install_into() { # [make variables]
	env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -s install DESTDIR="$into" "$@" >"$BATS_TEST_TMPDIR/make.log" 2>&1 || {
		cat "$BATS_TEST_TMPDIR/make.log"
		return 1
	}
}

@test "everything is where it belongs, and runs from there" {
	install_into
	diff <(cd "$into" && find . -type f | sort) - <<-'END'
		./etc/streamgate/streamgate.conf
		./usr/local/bin/streamplay
		./usr/local/bin/tokenctl
		./usr/local/lib/systemd/system/streamd.service
		./usr/local/sbin/streamd
		./usr/local/share/bash-completion/completions/tokenctl
		./usr/local/share/man/man1/streamplay.1
		./usr/local/share/man/man1/tokenctl.1
		./usr/local/share/man/man5/streamgate.conf.5
		./usr/local/share/man/man8/streamd.8
	END
	for program in bin/tokenctl bin/streamplay sbin/streamd; do
		[[ $("$into/usr/local/$program" --version) == *' '[0-9]*.[0-9]* ]]
	done
	# The configuration as it is delivered: nothing in it is refused, tokens are asked for.
	"$into/usr/local/sbin/streamd" --check-config --config "$into/etc/streamgate/streamgate.conf" >"$BATS_TEST_TMPDIR/shown"
	grep -qx 'publish_token = on' "$BATS_TEST_TMPDIR/shown"
	grep -qx 'play_token = on' "$BATS_TEST_TMPDIR/shown"
	# But for these two it is what holds without a file, as it says.
	: >"$BATS_TEST_TMPDIR/empty"
	diff <("$into/usr/local/sbin/streamd" --check-config --config "$BATS_TEST_TMPDIR/empty" |
		sed 's/^\(publish_token\|play_token\) = off$/\1 = on/') "$BATS_TEST_TMPDIR/shown"
}

@test "a configuration that is there is kept" {
	install_into
	echo '; mine' >"$into/etc/streamgate/streamgate.conf"
	install_into
	[ "$(cat "$into/etc/streamgate/streamgate.conf")" = '; mine' ]
}

@test "a packager's folders are taken, and the unit names them" {
	install_into PREFIX=/usr
	[ -x "$into/usr/sbin/streamd" ]
	[ ! -e "$into/usr/local" ]
	grep -qx 'ExecStart=/usr/sbin/streamd --config /etc/streamgate/streamgate.conf' "$into/usr/lib/systemd/system/streamd.service"
}

@test "systemd has nothing to say against the unit" {
	install_into
	unit=$BATS_TEST_TMPDIR/streamd.service
	sed "s|=/usr/local/sbin/|=$into/usr/local/sbin/|" "$into/usr/local/lib/systemd/system/streamd.service" >"$unit"
	run systemd-analyze verify --man=no "$unit"
	echo "$output"
	[ "$status" = 0 ]
	[ -z "$output" ]
	# It does notice what is wrong.
	sed -i 's/^ProtectSystem=strict/ProtectSystm=strict/' "$unit"
	run systemd-analyze verify --man=no "$unit"
	[[ $output == *ProtectSystm* ]]
}

@test "the unit leaves streamd the time that it takes to end" {
	most=$(sed -n 's/^#define \(DRAIN_MS\|FINISH_AT_END_MS\) \([0-9]*\)$/\2/p' cmd/streamd/main.c lib/record/record.c | paste -sd +)
	[[ $most == *+* ]]
	[ $((1000 * $(sed -n 's/^TimeoutStopSec=//p' cmd/streamd/streamd.service.in))) -gt $((most)) ]
}

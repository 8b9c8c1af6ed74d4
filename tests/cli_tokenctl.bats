#!/usr/bin/env bats
# tokenctl, as its manual tells it (man/tokenctl.1): help, mistakes, tokens from create to revoke.
# What asks the gate and streamd is in cli_tokenctl_gate.bats.
load cli_tokenctl_fixture

# ---- help and wrong usage ----

@test "without a command it says what to do and exits 2" {
	fails 2 tokenctl
	[[ $errors == *--help* ]]
}

@test "--help lists every command, and each command's --help its options" {
	tokenctl --help >"$dir/help"
	for command in create list show revoke check explain enable disable reset status sessions \
		record recordings 'recordings delete' 'recordings rename' 'recordings download' kick audit watch purge passwd 'apikey create' 'apikey list' 'apikey revoke'; do
		grep -q "^  $command " "$dir/help"
		tokenctl $command --help >"$dir/one"
		grep -q "^usage: tokenctl $command" "$dir/one"
		grep -q -- '--json' "$dir/one"
		grep -q -- '--config' "$dir/one"
	done
	tokenctl create --help | grep -q -- '--expires-at TIME'
	tokenctl help create | diff - <(tokenctl create --help)
	tokenctl apikey --help | diff - <(tokenctl help apikey)
}

@test "--help needs no configuration" {
	STREAMGATE_CONFIG=$dir/missing tokenctl create --help
}

@test "--version prints the version" {
	[[ $(tokenctl --version) == 'tokenctl (streamgate) '[0-9]* ]]
}

@test "a mistyped command is answered with the nearest" {
	fails 2 tokenctl crate
	[[ $errors == *"did you mean 'create'"* ]]
	fails 2 tokenctl apikey mak
	fails 2 tokenctl apikey creat
	[[ $errors == *"did you mean 'apikey create'"* ]]
}

@test "a mistyped option is answered with the nearest" {
	fails 2 tokenctl create cam --expire 2h
	[[ $errors == *'did you mean --expires?'* ]]
	fails 2 tokenctl list --quiet
	# What this version cannot do is refused, not passed over.
	fails 2 tokenctl create cam --follow
	[[ $errors == *'no option --follow'* ]]
}

@test "an option without its value, a switch with one, too many or too few arguments: exit 2" {
	fails 2 tokenctl create cam --label
	fails 2 tokenctl list --json=yes
	fails 2 tokenctl create
	fails 2 tokenctl create a b
	fails 2 tokenctl list --json --csv
}

@test "options may stand anywhere, and -- ends them" {
	tokenctl --json create --app lab cam >"$dir/out"
	[ "$(jq -r .app "$dir/out")" = lab ]
	# A hyphen may begin a stream id; it takes -- to say so.
	fails 2 tokenctl create -cam
	[ "$(tokenctl create --json -- -cam | jq -r .streamId)" = -cam ]
}

@test "a mistake in the configuration is told with file and line" {
	printf '[http]\nlisten = 127.0.0.1:1\nlissen = 127.0.0.1:2\n' >"$dir/bad.conf"
	fails 2 tokenctl list --config "$dir/bad.conf"
	[[ $errors == *"$dir/bad.conf:3"*listen* ]]
}

@test "a store that cannot be opened is exit 1" {
	printf '[store]\nurl = sqlite:/proc/nowhere/t.db\n' >"$dir/bad.conf"
	fails 1 tokenctl list --config "$dir/bad.conf"
	head -c 8192 /dev/urandom >"$dir/t.db"
	fails 1 tokenctl list
	cmp <(head -c 8192 "$dir/t.db") "$dir/t.db"
}

@test "a store that a newer version wrote is exit 1, and left alone" {
	tokenctl create cam --quiet
	sqlite3 "$dir/t.db" 'PRAGMA user_version = 999'
	fails 1 tokenctl create cam
	[[ $errors == *newer*upgrade* ]]
	[ "$(sqlite3 "$dir/t.db" 'SELECT count(*) FROM token')" = 1 ]
}

@test "a store that is damaged is exit 1, and no empty list" {
	tokenctl create cam --quiet >/dev/null
	tokenctl enable play >/dev/null
	python3 - "$dir/t.db" <<-'END'
		import sqlite3, sys
		db = sqlite3.connect(sys.argv[1])
		db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
		size = db.execute("PRAGMA page_size").fetchone()[0]
		pages = [r[0] for r in db.execute("SELECT rootpage FROM sqlite_master WHERE name LIKE 'token%' OR name = 'audit'")]
		db.close()
		with open(sys.argv[1], "r+b") as f:
		    for page in pages:
		        f.seek((page - 1) * size)
		        f.write(b"\xff" * size)
	END
	for form in '' --json --csv; do
		fails 1 tokenctl list $form
		[ -z "$output" ]
		fails 1 tokenctl audit $form
		[ -z "$output" ]
	done
}

@test "a store that another process has locked can be read; to write it is exit 1 after a while" {
	tokenctl create cam --quiet
	sqlite3 "$dir/t.db" 'BEGIN IMMEDIATE' ".shell touch $dir/locked; sleep 20" 3>&- &
	server=$!
	for _ in $(seq 100); do [ -e "$dir/locked" ] && break || sleep 0.05; done
	[ "$(tokenctl list | wc -l)" -eq 1 ]
	fails 1 tokenctl create cam
	[[ $errors == *locked*'try again'* ]]
}

# ---- create ----

@test "create prints the token, its id and the URLs of what is on" {
	tokenctl create cam-1 >"$dir/out"
	token=$(awk -F'\t' '$1 == "tokenId" { print $2 }' "$dir/out")
	[[ $token =~ ^[A-Za-z0-9_-]{32}$ ]]
	grep -qP '^id\t[0-9a-v]{13}$' "$dir/out"
	grep -qxP "rtmp\trtmp://127.0.0.1/live/cam-1\?token=$token" "$dir/out"
	grep -qxP "hls\thttp://127.0.0.1:5080/live/streams/cam-1.m3u8\?token=$token" "$dir/out"
	grep -qxP "flv\thttp://127.0.0.1:5080/live/streams/cam-1.flv\?token=$token" "$dir/out"
	! grep -qE '^(whep|rtmps)' "$dir/out" || false
}

@test "create --json tells the token's fields" {
	tokenctl create cam-1 --label 'door, "left"' --max-uses 3 --resume 30s --json >"$dir/out"
	jq -e '.streamId == "cam-1" and .app == "live" and .type == "play" and .maxUses == 3 and
		.uses == 0 and .label == "door, \"left\"" and .state == "active" and .resume == 30 and
		.createdBy == "tokenctl" and .revokedAt == null and (.tokenId | length) == 32 and
		(.urls | has("hls")) and .expireDate == .createdAt + 86400' "$dir/out"
}

@test "a publish token has URLs to publish at, and no others" {
	tokenctl create cam --type publish --json |
		jq -e '.tokenId as $t | .urls.rtmp == "rtmp://127.0.0.1/live/cam?token=\($t)"'
	tokenctl create cam --type publish --json |
		jq -e '.urls | has("hls") or has("flv") or has("ts") or has("whep") | not'
}

@test "printed URLs begin with public_url, and never with 0.0.0.0" {
	sed -i 's|^listen = 127.0.0.1:5080|listen = 0.0.0.0:5080|' "$STREAMGATE_CONFIG"
	tokenctl create cam --json | jq -e '.urls.hls | (contains("0.0.0.0") | not) and startswith("http://")'
	sed -i 's|^listen = 0.0.0.0:5080|&\npublic_url = https://video.example.org/|' "$STREAMGATE_CONFIG"
	tokenctl create cam --json >"$dir/out"
	jq -e '.urls.hls | startswith("https://video.example.org/live/streams/cam.m3u8?")' "$dir/out"
	jq -e '.urls.rtmp | startswith("rtmp://video.example.org/live/cam?")' "$dir/out"
}

@test "--quiet prints the token alone" {
	[[ $(tokenctl create cam --quiet) =~ ^[A-Za-z0-9_-]{32}$ ]]
}

@test "--expires, --expires-at and the application's token_lifetime set the expiry" {
	now=$(date +%s)
	left() { jq ".expireDate - $now"; }
	n=$(tokenctl create cam --expires 90s --json | left) && [ "$n" -ge 90 ] && [ "$n" -le 95 ]
	n=$(tokenctl create cam --app lab --json | left) && [ "$n" -ge 7200 ] && [ "$n" -le 7205 ]
	[ "$(tokenctl create cam --expires-at 2040-01-02T03:04:05Z --json | jq .expireDate)" = 2209086245 ]
	[ "$(tokenctl create cam --expires-at 2209086245 --json | jq .expireDate)" = 2209086245 ]
}

@test "an expiry that is past, garbled, zero or given twice is exit 2" {
	fails 2 tokenctl create cam --expires-at 2020-01-01T00:00:00Z
	[[ $errors == *past* ]]
	fails 2 tokenctl create cam --expires-at tomorrow
	fails 2 tokenctl create cam --expires 2x
	fails 2 tokenctl create cam --expires 0
	fails 2 tokenctl create cam --expires 2h --expires-at 2209086245
	[ "$(tokenctl list | wc -l)" -eq 0 ]
}

@test "wrong values are exit 2 and say what is right" {
	fails 2 tokenctl create cam --type view
	[[ $errors == *'play or publish'* ]]
	fails 2 tokenctl create cam --max-uses 0
	fails 2 tokenctl create cam --max-uses 1000001
	fails 2 tokenctl create cam --max-uses -- -1
	fails 2 tokenctl create cam --count 0
	fails 2 tokenctl create cam --count 10000001
	fails 2 tokenctl create cam --resume never
	fails 2 tokenctl create cam --label "$(printf 'a%.0s' {1..201})"
	fails 2 tokenctl create cam --label "$(printf '\033[31mred')"
	fails 2 tokenctl create cam --label "$(printf '\xff')"
	fails 2 tokenctl create cam --label "$(printf 'a\xc2\x9b2J')"
	[ "$(tokenctl list | wc -l)" -eq 0 ]
}

@test "what cannot be a stream id is refused in one readable line" {
	fails 2 tokenctl create .hidden
	fails 2 tokenctl create 'a/b'
	fails 2 tokenctl create ''
	fails 2 tokenctl create "$(printf 'a%.0s' {1..129})"
	fails 2 tokenctl create "$(printf 'x\033[2J\ny')"
	[[ $errors != *$'\033'* ]]
	fails 2 tokenctl create "$(head -c 10000 /dev/zero | tr '\0' a)"
	[ "${#errors}" -lt 300 ]
	tokenctl create "$(printf 'a%.0s' {1..128})" --quiet
}

@test "an application without a section is exit 3, and the known ones are told" {
	fails 3 tokenctl create cam --app studio
	[[ $errors == *live* && $errors == *lab* ]]
	fails 3 tokenctl enable --app studio
	fails 3 tokenctl list --app studio
}

@test "--count makes so many different tokens, one per line, more than a batch of them" {
	tokenctl create cam --count 25001 --quiet | sort -u >"$dir/tokens"
	[ "$(wc -l <"$dir/tokens")" -eq 25001 ]
	! grep -qvxE '[A-Za-z0-9_-]{32}' "$dir/tokens" || false
	[ "$(tokenctl list | wc -l)" -eq 25001 ]
	tokenctl create cam --count 3 | grep -cxP '[A-Za-z0-9_-]{32}\t[0-9a-v]{13}' | grep -qx 3
	tokenctl create cam --count 3 --json | jq -e '(.items | length) == 3 and .items[2].tokenId'
}

@test "two that create at the same time do not disturb each other" {
	tokenctl create a --count 20000 --quiet >"$dir/a" &
	local other=$!
	tokenctl create b --count 20000 --quiet >"$dir/b"
	wait "$other"
	[ "$(sort -u "$dir/a" "$dir/b" | wc -l)" -eq 40000 ]
	[ "$(tokenctl list a | wc -l)" -eq 20000 ]
	[ "$(tokenctl list b | wc -l)" -eq 20000 ]
}

@test "tokens that cannot be written out are an error that names the remedy" {
	status=0
	tokenctl create cam --count 20000 --quiet 2>"$dir/errors" >/dev/full || status=$?
	[ "$status" -eq 1 ]
	grep -q 'revoke --stream cam --app live' "$dir/errors"
}

@test "one that cannot be written out is ended by its id, and not with all others of its stream" {
	for output in '' --json --quiet; do
		status=0
		tokenctl create cam $output 2>"$dir/errors" >/dev/full || status=$?
		[ "$status" -eq 1 ]
		[[ $(cat "$dir/errors") == *"'tokenctl revoke $(tokenctl list --limit 1 | cut -f 1)'" ]]
	done
}

@test "the store holds no secret" {
	token=$(tokenctl create cam --quiet)
	tokenctl list >/dev/null
	! grep -qaF "$token" "$dir"/t.db* || false
	! grep -qaF "${token:11}" "$dir"/t.db* || false
}

# ---- list and show ----

@test "list shows the newest first, and filters" {
	tokenctl create a --label first --quiet
	tokenctl create b --type publish --quiet
	tokenctl create a --app lab --quiet
	[ "$(tokenctl list | cut -f 2,3,4 | tr '\t\n' '/ ')" = 'lab/a/play live/b/publish live/a/play ' ]
	[ "$(tokenctl list a | wc -l)" -eq 1 ]
	[ "$(tokenctl list a --app lab | wc -l)" -eq 1 ]
	[ "$(tokenctl list --type publish | cut -f 3)" = b ]
	[ "$(tokenctl list --state active | wc -l)" -eq 3 ]
	[ "$(tokenctl list --state used | wc -l)" -eq 0 ]
	[ "$(tokenctl list --state all | wc -l)" -eq 3 ]
	fails 2 tokenctl list --state fresh
}

@test "list --limit and --after page through, and meet every token once" {
	tokenctl create cam --count 25 --quiet >/dev/null
	tokenctl list | cut -f 1 >"$dir/all"
	after= : >"$dir/pages"
	while
		tokenctl list --limit 10 ${after:+--after $after} --json >"$dir/page"
		jq -r '.items[].id' "$dir/page" >>"$dir/pages"
		after=$(jq -r '.next // ""' "$dir/page")
		[ -n "$after" ]
	do :; done
	diff "$dir/all" "$dir/pages"
	fails 2 tokenctl list --limit 0
	fails 2 tokenctl list --after 'no cursor'
}

@test "list --csv has a header and quotes what needs it" {
	tokenctl create cam --label 'a "b", c' --quiet
	[ "$(tokenctl list --csv | head -1)" = id,app,streamId,type,state,uses,maxUses,createdAt,expireDate,firstUsedAt,lastUsedAt,revokedAt,createdBy,label ]
	tokenctl list --csv | tail -1 | grep -q ',"a ""b"", c"$'
}

@test "an empty list is empty, and valid JSON" {
	[ -z "$(tokenctl list)" ]
	[ "$(tokenctl list --json | jq -c .)" = '{"items":[],"next":null}' ]
}

@test "list stops quietly when nobody reads on" {
	tokenctl create cam --count 20000 --quiet >/dev/null
	set -o pipefail
	tokenctl list 2>"$dir/errors" | head -1
	[ ! -s "$dir/errors" ]
}

@test "show tells all but the secret; of an unknown token nothing, exit 3" {
	tokenctl create cam --label door --json >"$dir/made"
	id=$(jq -r .id "$dir/made")
	[ "$(tokenctl show "$id" | awk -F'\t' '$1 == "label" { print $2 }')" = door ]
	diff <(tokenctl show "$id" --json | jq -S .) <(jq -S 'del(.tokenId, .urls)' "$dir/made")
	fails 3 tokenctl show 0000000000000
	fails 3 tokenctl show nosuch
	fails 3 tokenctl show "$(head -c 10000 /dev/zero | tr '\0' a)"
	[ "${#errors}" -lt 300 ]
}

@test "show and revoke take the secret as well, from standard input or a file" {
	tokenctl create cam --json >"$dir/made"
	jq -r .tokenId "$dir/made" >"$dir/token"
	id=$(jq -r .id "$dir/made")
	[ "$(tokenctl show - --json <"$dir/token" | jq -r .id)" = "$id" ]
	tokenctl revoke "@$dir/token"
	[ "$(tokenctl show "$id" --json | jq -r .state)" = revoked ]
	fails 3 tokenctl show "@$dir/missing"
}

@test "a terminal gets an aligned table with a header" {
	tokenctl create cam --label door --quiet >/dev/null
	tokenctl create a-longer-name --quiet >/dev/null
	columns=130 on_terminal tokenctl list >"$dir/out"
	head -1 "$dir/out" | grep -qE '^ID +APP +STREAM +TYPE +STATE +USES +CREATED +EXPIRES +LABEL'
	# Every STREAM begins in the same column.
	at=$(head -1 "$dir/out" | grep -bo STREAM | cut -d: -f1)
	[ "$(sed -n 2p "$dir/out" | cut -c$((at + 1))-$((at + 13)))" = a-longer-name ]
	[ "$(sed -n 3p "$dir/out" | cut -c$((at + 1))-$((at + 4)))" = 'cam ' ]
	grep -q 0/1 "$dir/out"
}

@test "a narrow terminal gets fewer columns, not broken lines" {
	tokenctl create cam --label door --quiet >/dev/null
	tokenctl enable play >/dev/null
	for columns in 60 80 100; do
		for command in list audit; do
			on_terminal tokenctl $command >"$dir/out"
			[ "$(wc -l <"$dir/out")" -eq 2 ]
			[ "$(wc -L <"$dir/out")" -le "$columns" ]
		done
		on_terminal tokenctl list | head -1 | grep -qE '^ID +.*STREAM .*STATE .*LABEL'
	done
	! columns=80 on_terminal tokenctl list | grep -q CREATED || false
}

@test "colour is for terminals that want it" {
	tokenctl create cam --quiet >/dev/null
	coloured() { script -qefc "tokenctl list" /dev/null </dev/null | grep -q $'\033'; }
	TERM=xterm NO_COLOR= coloured
	! TERM=xterm NO_COLOR=1 coloured || false
	! TERM=dumb NO_COLOR= coloured || false
	! TERM=xterm tokenctl list | grep -q $'\033' || false
}

@test "a table never passes the terminal's edge with its free text" {
	tokenctl create cam --label "$(printf 'Tür %.0s' {1..30})" --quiet >/dev/null
	on_terminal tokenctl list >"$dir/out"
	[ "$(LC_ALL=C.UTF-8 wc -L <"$dir/out")" -le 100 ]
	grep -q … "$dir/out"
}

# ---- revoke ----

@test "revoke ends tokens by id, and counts those that were not revoked before" {
	id=$(tokenctl create cam --json | jq -r .id)
	id2=$(tokenctl create cam --json | jq -r .id)
	[ "$(tokenctl revoke "$id" "$id2")" = 2 ]
	[ "$(tokenctl revoke "$id" --json | jq -c .)" = '{"revoked":0}' ]
	[ "$(tokenctl list --state revoked | wc -l)" -eq 2 ]
}

@test "an unknown id does not save those behind it; exit 3" {
	id=$(tokenctl create cam --json | jq -r .id)
	fails 3 tokenctl revoke nosuch "$id"
	[ "$(tokenctl show "$id" --json | jq -r .state)" = revoked ]
}

@test "revoke --stream ends all of a stream, or those of a type, and no others" {
	tokenctl create cam --count 3 --quiet >/dev/null
	tokenctl create cam --type publish --quiet >/dev/null
	tokenctl create cam2 --quiet >/dev/null
	tokenctl create cam --app lab --quiet >/dev/null
	[ "$(tokenctl revoke --stream cam --type play --json | jq .revoked)" = 3 ]
	[ "$(tokenctl revoke --stream cam)" = 1 ]
	[ "$(tokenctl list --state active | wc -l)" -eq 2 ]
	fails 2 tokenctl revoke
	fails 2 tokenctl revoke --stream ..
	fails 2 tokenctl revoke 0000000000000 --stream cam
}

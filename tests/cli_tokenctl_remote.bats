#!/usr/bin/env bats
# tokenctl --url: the same commands, asked of a real streamd through its REST interface.
load e2e

setup_file() {
	start_streamd
	key=$DIR/key
	"$BIN/tokenctl" apikey create --quiet >"$key"
	export URL=http://$HTTP key
}

teardown_file() { stop_streamd; }

setup() {
	PATH=$BIN:$PATH
	export TZ=UTC
}

# tokenctl from afar: without the configuration, so that nothing can come from the store here.
far() {
	local command=$1
	shift
	env -u STREAMGATE_CONFIG "$BIN/tokenctl" "$command" --url "$URL" --key-file "$key" "$@"
}

# The exit status is the first argument; the error is one line "tokenctl: ... : ...".
fails() {
	local wanted=$1
	shift
	status=0
	"$@" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/errors" || status=$?
	errors=$(cat "$BATS_TEST_TMPDIR/errors")
	echo "status $status (wanted $wanted): $(cat "$BATS_TEST_TMPDIR/out") $errors"
	[ "$status" -eq "$wanted" ]
	[ "$(wc -l <"$BATS_TEST_TMPDIR/errors")" -eq 1 ]
	[[ $errors =~ ^tokenctl:\ .+:\ .+ ]]
	[ ! -s "$BATS_TEST_TMPDIR/out" ]
}

@test "create makes tokens that open, with URLs, labels, expiries" {
	far create cam --label 'für "Ä"' --expires 2h --max-uses 3 --json >"$BATS_TEST_TMPDIR/new"
	id=$(jq -r .id "$BATS_TEST_TMPDIR/new")
	tokenctl show "$id" --json | jq -e '.label == "für \"Ä\"" and .maxUses == 3 and .expireDate - .createdAt == 7200'
	jq -r .tokenId "$BATS_TEST_TMPDIR/new" | tokenctl check - --stream cam
	jq -re .urls.hls "$BATS_TEST_TMPDIR/new" | grep -q "^http://.*/live/streams/cam.m3u8?token="
	[[ $(far create cam --quiet) =~ ^[A-Za-z0-9_-]{32}$ ]]
	[ "$(far create many --count 1234 --quiet | sort -u | wc -l)" -eq 1234 ]
	[ "$(far create many --count 1 | wc -l)" -eq 1 ]
	[ "$(far list many | wc -l)" -eq 1235 ]
	far create cam --expires-at 2040-01-01T00:00:00Z --json | jq -e '.expireDate == 2208988800'
	far create cam --qr=hls | grep -q '##############'
	fails 2 far create cam --expires-at 2001-01-01T00:00:00Z
	fails 2 far create .cam
	fails 2 far create cam --app nowhere
}

@test "status does not list a stream of which only the recording is set" {
	tokenctl record on filmed
	diff <(tokenctl status --json) <(far status --json)
	tokenctl record reset filmed
}

@test "record alone tells what is recorded, here and there" {
	tokenctl record ask
	tokenctl record on filmed
	tokenctl record off secret
	for format in '' --json; do
		far record $format >"$BATS_TEST_TMPDIR/far"
		tokenctl record $format | diff - "$BATS_TEST_TMPDIR/far"
	done
	[ "$(tokenctl record | tr '\t\n' ' ;')" = 'live  ask;live filmed on;live secret off;' ]
	[ "$(tokenctl record --app live | wc -l)" -eq 3 ]
	fails 3 tokenctl record --app nowhere
	for stream in '' filmed secret; do tokenctl record reset $stream; done
	[ "$(tokenctl record | tr '\t\n' ' ;')" = 'live  off;' ]
}

@test "list, show, audit, status and sessions print what they print here" {
	tokenctl create same --label $'\xf0\x9f\x8e\xac' --quiet
	tokenctl enable publish --stream same
	for format in '' --json --csv; do
		diff <(tokenctl list $format) <(far list $format)
		diff <(tokenctl list same $format) <(far list same $format)
		diff <(tokenctl audit $format --limit 20) <(far audit $format --limit 20)
	done
	diff <(tokenctl list --limit 2 --json) <(far list --limit 2 --json)
	next=$(far list --limit 2 --json | jq -r .next)
	diff <(tokenctl list --limit 2 --after "$next") <(far list --limit 2 --after "$next")
	diff <(tokenctl audit --event setting) <(far audit --event setting)
	id=$(tokenctl list same --limit 1 | cut -f 1)
	diff <(tokenctl show "$id") <(far show "$id")
	diff <(tokenctl show "$id" --json) <(far show "$id" --json)
	diff <(tokenctl status --json) <(far status --json)
	diff <(tokenctl status | grep -v '^store') <(far status | grep -v '^store')
	diff <(tokenctl sessions --csv) <(far sessions --csv)
	tokenctl reset --stream same
}

@test "check gives the verdict and spends nothing; a token is taken for its id" {
	token=$(tokenctl create cam --quiet)
	for _ in 1 2; do far check - --stream cam <<<"$token" | grep -q '^admitted'; done
	status=0
	far check - --stream other --json <<<"$token" >"$BATS_TEST_TMPDIR/verdict" || status=$?
	[ "$status" -eq 4 ]
	[ "$(jq -r .reason "$BATS_TEST_TMPDIR/verdict")" = wrong_stream ]
	diff <(tokenctl show - <<<"$token") <(far show - <<<"$token")
	# One with the right id and a wrong secret is nobody's.
	last=${token:20:1}
	[ "$last" = A ] && other=B || other=A
	fails 3 far show "${token:0:20}$other${token:21}"
	fails 3 far show 0000000000000
}

@test "revoke ends tokens by id, by themselves, and by stream" {
	token=$(tokenctl create gone --quiet)
	id=$(tokenctl create gone --json | jq -r .id)
	[ "$(far revoke "$id")" = 1 ]
	[ "$(far revoke "$id")" = 0 ]
	[ "$(far revoke - --keep-sessions <<<"$token")" = 1 ]
	tokenctl create gone --count 5 --quiet
	[ "$(far revoke --stream gone --type publish)" = 0 ]
	[ "$(far revoke --stream gone --json)" = '{"revoked":5}' ]
	status=0
	far revoke 0000000000000 >"$BATS_TEST_TMPDIR/out" || status=$?
	[ "$status" -eq 3 ]
}

@test "enable, disable and reset act at once, for an application or a stream" {
	[ "$(far disable)" = $'live\t\topen\topen' ]
	[ "$(far enable play --stream cam)" = $'live\tcam\topen\ttoken' ]
	[ "$(far reset --stream cam --json | jq -c '[.streamId, .playTokenControlEnabled]')" = '["cam",false]' ]
	[ "$(far reset)" = $'live\t\ttoken\ttoken' ]
	fails 3 far enable --app nowhere
	fails 2 far enable plya
}

@test "sessions are listed and ended" {
	make_source
	publish onair "$(token onair --type publish)"
	far sessions --stream onair --json | jq -e '.items[0].protocol == "rtmp"'
	id=$(far sessions | cut -f 1)
	[ "$(far kick "$id")" = "$id" ]
	fails 3 far kick "$id"
	stop "$PUBLISHER"
}

@test "audit --follow and watch print what happens there" {
	far audit --follow --event revoked >"$BATS_TEST_TMPDIR/lines" 3>&- &
	job=$!
	far watch >"$BATS_TEST_TMPDIR/watched" 3>&- &
	other=$!
	for _ in $(seq 100); do [ -s "$BATS_TEST_TMPDIR/watched" ] && break || sleep 0.05; done
	tokenctl create follow --quiet
	far revoke --stream follow
	for _ in $(seq 100); do grep -q follow "$BATS_TEST_TMPDIR/lines" && break || sleep 0.05; done
	for _ in $(seq 100); do grep -q follow "$BATS_TEST_TMPDIR/watched" && break || sleep 0.05; done
	stop "$job"
	stop "$other"
	[ "$(grep -c follow "$BATS_TEST_TMPDIR/lines")" -eq 1 ]
	[ "$(grep -c follow "$BATS_TEST_TMPDIR/watched")" -eq 1 ]
}

@test "the key comes from a file, standard input or the environment, never from the command line" {
	[ -n "$(tokenctl list --url "$URL" --key "@$key" --limit 1)" ]
	[ -n "$(tokenctl list --url "$URL" --key - --limit 1 <"$key")" ]
	[ -n "$(STREAMGATE_API_KEY=$(cat "$key") tokenctl list --url "$URL" --limit 1)" ]
	fails 2 tokenctl list --url "$URL" --key "$(cat "$key")"
	[[ $errors != *sgk_* ]]
	fails 1 tokenctl list --url "$URL"
	[[ $errors == *--key-file* ]]
	echo sgk_wrongwrongwrongwrongwrongwrongwr >"$BATS_TEST_TMPDIR/wrong"
	fails 1 tokenctl list --url "$URL" --key-file "$BATS_TEST_TMPDIR/wrong"
	[[ $errors != *wrongwrong* ]]
	fails 3 tokenctl list --url "$URL" --key-file "$BATS_TEST_TMPDIR/missing"
	printf 'sgk_a\r\nX-Evil: 1' >"$BATS_TEST_TMPDIR/evil"
	fails 2 tokenctl list --url "$URL" --key-file "$BATS_TEST_TMPDIR/evil"
	: >"$BATS_TEST_TMPDIR/empty"
	fails 2 tokenctl list --url "$URL" --key-file "$BATS_TEST_TMPDIR/empty"
}

@test "a key of too small a scope is told so" {
	tokenctl apikey create --scope read --quiet >"$BATS_TEST_TMPDIR/read"
	tokenctl list --url "$URL" --key-file "$BATS_TEST_TMPDIR/read" --limit 1
	fails 1 tokenctl create cam --url "$URL" --key-file "$BATS_TEST_TMPDIR/read"
}

@test "what the REST interface does not do is refused: exit 2" {
	for command in purge 'apikey list' 'apikey create' 'explain http://h/live/streams/c.m3u8' passwd; do
		fails 2 far $command
		[[ $errors == *'without --url'* ]]
	done
	fails 2 tokenctl list --key-file "$key"
	fails 2 tokenctl list --url "$URL" --config "$STREAMGATE_CONFIG"
}

@test "a URL that is none is exit 2, a server that is not there exit 1" {
	for url in '' host ftp://host http:// http://u:p@host 'http://host?x' 'http://host:0' 'http://h:70000' $'http://h\r\nX:'; do
		fails 2 tokenctl list --url "$url"
		[[ $errors != *u:p@* ]]
	done
	fails 1 tokenctl list --url http://127.0.0.1:1
	fails 1 tokenctl list --url http://nowhere.invalid
	# Something else than streamd.
	socat TCP-LISTEN:0,bind=127.0.0.1,fork SYSTEM:'printf "SSH-2.0-x\r\n"' 3>&- 2>"$BATS_TEST_TMPDIR/socat" -d -d &
	job=$!
	for _ in $(seq 100); do grep -q listening "$BATS_TEST_TMPDIR/socat" && break || sleep 0.05; done
	fails 1 tokenctl list --url "http://127.0.0.1:$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' "$BATS_TEST_TMPDIR/socat")"
	stop "$job"
}

# A TLS port in front of streamd with a certificate for one name: sets port and job.
tls_front() { # NAME
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout tls.key -out tls.crt \
		-days 2 -subj /CN=test -addext "subjectAltName=$1" 2>/dev/null
	: >socat
	socat -d -d "OPENSSL-LISTEN:0,bind=127.0.0.1,fork,reuseaddr,verify=0,cert=tls.crt,key=tls.key" "TCP:$HTTP" 3>&- 2>socat &
	job=$!
	for _ in $(seq 100); do grep -q listening socat && break || sleep 0.05; done
	port=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' socat)
}

@test "https asks for a certificate that is good for the host" {
	cd "$BATS_TEST_TMPDIR"
	for good in DNS:localhost IP:127.0.0.1; do
		[ $good = DNS:localhost ] && other=127.0.0.1 || other=localhost
		tls_front $good
		fails 1 tokenctl list --url "https://${good#*:}:$port" --key-file "$key"
		[[ $errors == *certificate* ]]
		export SSL_CERT_FILE=$PWD/tls.crt
		diff <(tokenctl list) <(tokenctl list --url "https://${good#*:}:$port/" --key-file "$key")
		fails 1 tokenctl list --url "https://$other:$port" --key-file "$key"
		[[ $errors == *certificate* ]]
		unset SSL_CERT_FILE
		stop "$job"
	done
}

@test "the shell asks there, too, and completes from there" {
	XDG_STATE_HOME=$BATS_TEST_TMPDIR TERM=xterm INPUTRC=/dev/null python3 "$BATS_TEST_DIRNAME/cli_shell.py" 100 30 \
		env -u STREAMGATE_CONFIG tokenctl --url "$URL" --key-file "$key" <<-'END'
		see streamgate 127.0.0.1:[0-9]+>
		type create far-away --quiet\r
		see [A-Za-z0-9_-]{32}\r.*>
		type list far\t\r
		see list far-away.*active.*>
		type purge\r
		see without --url.*>
		type help purge\r
		see usage: tokenctl purge.*>
		type exit\r
		end 0
	END
}

#!/usr/bin/env bats
# tokenctl create --qr: what is drawn is read again by a reader (zbarimg), and is what qrencode draws.
load cli_tokenctl_fixture

# The URL of a protocol, from the record above the drawing.
url_of() { awk -v name="$1" '$1 == name { print $2 }' "$dir/out"; }

# What a reader sees in the drawing on standard input, as an image: an argument says what is dark.
read_code() { # text|blocks|blocks-inverse
	python3 -c '
import sys
kind, rows = sys.argv[1], []
for line in sys.stdin.read().split("\n"):
    if kind == "text":
        rows.append([line[i] == "#" for i in range(0, len(line), 2)])
    else:
        dark = kind == "blocks"
        rows.append([(c in "\u2588\u2580") == dark for c in line])
        rows.append([(c in "\u2588\u2584") == dark for c in line])
width, size = max(map(len, rows)), 8
rows = [r + [False] * (width - len(r)) for r in rows if len(r) > 20]
print("P1", width * size, len(rows) * size)
for row in rows:
    line = " ".join("01"[dark] for dark in row for _ in range(size))
    for _ in range(size):
        print(line)
' "$1" >"$dir/code.pbm"
	zbarimg --quiet --raw -Sdisable -Sqrcode.enable "$dir/code.pbm"
}

@test "on a pipe it is ASCII, holds the first protocol's URL, and is qrencode's own" {
	tokenctl create cam --qr >"$dir/out"
	sed '1,/^$/d' "$dir/out" >"$dir/drawn"
	[ "$(read_code text <"$dir/drawn")" = "$(url_of rtmp)" ]
	url_of rtmp | tr -d '\n' | qrencode -8 -l L -m 4 -t ASCII -o - >"$dir/wanted"
	diff "$dir/wanted" "$dir/drawn"
}

@test "--qr=PROTOCOL draws that one's URL" {
	tokenctl create cam --qr=hls >"$dir/out"
	[ "$(sed '1,/^$/d' "$dir/out" | read_code text)" = "$(url_of hls)" ]
	tokenctl create cam --type publish --qr >"$dir/out"
	[ "$(sed '1,/^$/d' "$dir/out" | read_code text)" = "$(url_of rtmp)" ]
}

@test "a UTF-8 terminal gets half blocks, black on white, or inverse without colour" {
	TERM=xterm LC_ALL=C.UTF-8 script -qefc "stty cols 100; tokenctl create cam --qr=hls" /dev/null </dev/null |
		tr -d '\r' >"$dir/out"
	grep -q $'^\033\[30;47m' "$dir/out"
	sed -n 's/^\x1b\[30;47m\(.*\)\x1b\[0m$/\1/p' "$dir/out" >"$dir/drawn"
	[ "$(read_code blocks <"$dir/drawn")" = "$(url_of hls)" ]
	LC_ALL=C.UTF-8 on_terminal tokenctl create cam --qr=hls >"$dir/out"
	[ -z "$(grep -a $'\033' "$dir/out")" ]
	[ "$(grep -a $'\xe2\x96' "$dir/out" | read_code blocks-inverse)" = "$(url_of hls)" ]
}

@test "a terminal of another character set gets ASCII" {
	LC_ALL=C on_terminal tokenctl create cam --qr=hls >"$dir/out"
	[ "$(grep -A 100 '^hls:$' "$dir/out" | tail -n +2 | read_code text)" = "$(url_of hls)" ]
}

@test "where it does not fit it says so, and the token is there all the same" {
	columns=30 LC_ALL=C.UTF-8 on_terminal tokenctl create cam --qr >"$dir/out"
	grep -q '^token ' "$dir/out"
	grep -q 'needs [0-9]* columns and the terminal has 30' "$dir/out"
	[ "$(tokenctl list | wc -l)" -eq 1 ]
}

@test "a protocol that there is not is told with those that there are" {
	fails 2 tokenctl create cam --qr=smoke
	[[ $errors == *'rtmp, hls, dash, flv, ts, mp4'* ]]
}

@test "--qr excludes what is for programs, and --count" {
	fails 2 tokenctl create cam --qr --quiet
	fails 2 tokenctl create cam --qr --json
	fails 2 tokenctl create cam --qr --count 2
	fails 2 tokenctl list --qr
	[ -z "$(tokenctl list)" ]
}

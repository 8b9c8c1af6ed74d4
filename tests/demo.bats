#!/usr/bin/env bats
# `make demo`, as a newcomer sees it.

@test "without a terminal the demonstration ends, and all of it held" {
	run timeout 60 tests/demo.sh </dev/null
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *"the same token again: refused"*"streamplay sees H.264 and AAC"*"on another protocol: refused"* ]]
	[[ $output =~ 'http://127.0.0.1:'[0-9]+'/ with the password '[0-9a-f]{18} ]]
	[[ $output == *"All of it held." ]]
	[[ $output != *$'\e'* ]]
}

@test "on a terminal it stays until Ctrl-C, with links that are good, and leaves nothing behind" {
	# A terminal of its own; its foreground gets Ctrl-C when the last line is there.
	TMPDIR=$BATS_TEST_TMPDIR run timeout 60 python3 - <<-'END'
		import os, pty, re, subprocess, sys
		pid, fd = pty.fork()
		if pid == 0:
		    os.execv("tests/demo.sh", ["tests/demo.sh"])
		shown, pressed = b"", False
		while True:
		    try:
		        part = os.read(fd, 4096)
		    except OSError:
		        break
		    if not part:
		        break
		    shown += part
		    if b"api/v1/sessions\r\n" in shown and not pressed:
		        pressed = True
		        link = re.search(rb"http\S+\.flv\?token=\S+", shown).group().decode()
		        probe = ["ffprobe", "-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", link]
		        print(subprocess.run(probe, capture_output=True, text=True, timeout=20).stdout)
		        os.write(fd, b"\x03")
		print(shown.decode())
		sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
	END
	echo "$output"
	[ "$status" = 0 ]
	[[ ${lines[*]:0:3} == *h264* ]]
	[[ $output == *Goodbye.* ]]
	[ -z "$(find "$BATS_TEST_TMPDIR" -name 'streamgate-demo.*')" ]
	address=$(grep -oE 'http://127.0.0.1:[0-9]+' <<<"$output" | head -n 1)
	run curl -s -m 2 "$address/healthz"
	[ "$status" = 7 ] # nobody listens
}

@test "TLS=1 serves HTTPS and RTMPS with a certificate of its own" {
	TLS=1 run timeout 60 tests/demo.sh </dev/null
	echo "$output"
	[ "$status" = 0 ]
	[[ $output =~ 'https://127.0.0.1:'[0-9]+' and rtmps://127.0.0.1:'[0-9]+ ]]
	[[ $output == *"All of it held." ]]
}

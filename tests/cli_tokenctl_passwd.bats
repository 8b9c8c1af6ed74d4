#!/usr/bin/env bats
# tokenctl passwd: the administrator's password, from wherever it comes.
load cli_tokenctl_fixture

kept_password() {
	sqlite3 "$dir/t.db" 'SELECT password FROM administrator'
}

# Types lines at a terminal's prompts; prints what the terminal showed. It is a pseudo-terminal that
# is the program's own, since the question goes to /dev/tty.
type_at_prompts() { # line...
	python3 - "$(command -v tokenctl)" "$@" <<-'END'
		import os, pty, sys
		pid, fd = pty.fork()
		if pid == 0:
		    os.execv(sys.argv[1], ["tokenctl", "passwd"])
		shown, lines = b"", sys.argv[2:]
		while True:
		    try:
		        part = os.read(fd, 1000)
		    except OSError:
		        break
		    if not part:
		        break
		    shown += part
		    if part.endswith(b": ") and lines:
		        os.write(fd, lines.pop(0).encode() + b"\n")
		sys.stdout.buffer.write(shown)
		sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
	END
}

@test "passwd reads a pipe, - or @FILE, and keeps a hash" {
	echo 'correct horse' | tokenctl passwd
	first=$(kept_password)
	[[ $first == '$y$'* && $first != *horse* ]]
	tokenctl passwd - <<<'battery staple'
	[[ $(kept_password) == '$y$'* && $(kept_password) != "$first" ]]
	printf 'from a file' >"$dir/password"
	[ "$(tokenctl passwd @"$dir/password" --json | jq .passwordSet)" = true ]
	tokenctl audit --event setting --json | grep -q "administrator's password set"
	! grep -rq 'battery staple' "$dir"/t.db* || false
}

@test "passwd refuses what is too short, missing, or an argument" {
	echo 'correct horse' | tokenctl passwd
	first=$(kept_password)
	fails 2 tokenctl passwd - <<<'short 7'
	[[ $errors == *'8 to 256 bytes'* ]]
	fails 2 tokenctl passwd - </dev/null
	fails 2 tokenctl passwd 'correct horse'
	[[ $errors != *horse* ]]
	fails 3 tokenctl passwd @"$dir/missing"
	[ "$(kept_password)" = "$first" ]
}

@test "passwd asks twice at a terminal and shows nothing of it" {
	shown=$(type_at_prompts 'correct horse' 'correct horse')
	[[ $shown == *'New password: '*'The same again: '* && $shown != *horse* ]]
	first=$(kept_password)
	[[ $first == '$y$'* ]]
	! type_at_prompts 'battery staple' 'battery stable' >"$dir/shown" || false
	grep -q 'not the same' "$dir/shown"
	! type_at_prompts $'battery\x03' >"$dir/shown" || false
	[ "$(kept_password)" = "$first" ]
}

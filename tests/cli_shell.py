#!/usr/bin/env python3
"""A person at a terminal: runs a command on a pseudo-terminal of its own and does what a script on
standard input says, line by line.

    type TEXT      types it (\\t \\r \\x03 and the like as in Python; \\r is Enter)
    see REGEX      waits until the output since the last "see" matches it
    size COLS ROWS gives the terminal another size
    end STATUS     waits for the command's end with this exit status
    hangup         takes the terminal away, and waits for the command's end

usage: cli_shell.py COLS ROWS COMMAND [ARGUMENTS]. All output goes to standard output; the first thing
that does not come true ends it with status 1.
"""
import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

PATIENCE_S = 15


class Terminal:
    def __init__(self, cols, rows, argv):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            self.fd = 0
            self.size(cols, rows)
            os.execvp(argv[0], argv)
        self.unseen = b""
        self.ended = False

    def size(self, cols, rows):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def read(self, wait_s):
        if not select.select([self.fd], [], [], max(wait_s, 0))[0]:
            return
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # the other side is closed
            data = b""
        self.ended = not data
        self.unseen += data
        sys.stdout.buffer.write(data)

    def see(self, pattern):
        deadline = time.monotonic() + PATIENCE_S
        while not (found := re.search(pattern.encode(), self.unseen, re.S)):
            if self.ended or time.monotonic() > deadline:
                return False
            self.read(deadline - time.monotonic())
        self.unseen = self.unseen[found.end():]
        return True

    def end(self, status):
        deadline = time.monotonic() + PATIENCE_S
        while not self.ended and time.monotonic() < deadline:
            self.read(deadline - time.monotonic())
        if not self.ended:
            os.kill(self.pid, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]) == status

    def hangup(self):
        os.close(self.fd)
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                return True
            time.sleep(0.02)
        return False


def follow(terminal, script):
    for line in script:
        verb, _, rest = line.rstrip("\n").lstrip("\t ").partition(" ")
        good = True
        if verb == "type":
            os.write(terminal.fd, codecs.escape_decode(rest.encode())[0])
        elif verb == "see":
            good = terminal.see(rest)
        elif verb == "size":
            terminal.size(*map(int, rest.split()))
        elif verb == "end":
            good = terminal.end(int(rest))
        elif verb == "hangup":
            good = terminal.hangup()
        elif verb:
            sys.exit(f"cli_shell.py: no such verb: {verb}")
        if not good:
            sys.stdout.flush()
            print(f"\nnot so: {line.strip()}\nunseen: {terminal.unseen[-600:]!r}")
            return 1
    return 0


if __name__ == "__main__":
    term = Terminal(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
    try:
        result = follow(term, sys.stdin)
    finally:
        sys.stdout.flush()
        try:
            os.kill(term.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    sys.exit(result)

#!/usr/bin/env python3
"""An HTTPS client that does what players' libraries do not.

  tls_client.py together PORT PATH...   asks for all in one go, prints the SHA-256 of each body
  tls_client.py slowly   PORT PATH      reads the beginning of a body and says "reading"; when a line comes, reads on
                                        and prints how many bytes of how many came
"""
import hashlib
import socket
import ssl
import sys


def connect(port, receive_buffer=None):
    s = socket.socket()
    if receive_buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    s.settimeout(30)
    s.connect(("127.0.0.1", port))
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(s)


def ask(path):
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: tests\r\n\r\n".encode()


def header(f):
    status = f.readline()
    if not status.startswith(b"HTTP/1.1 200 "):
        sys.exit(f"answered: {status!r}")
    lengths = []
    for line in iter(f.readline, b"\r\n"):
        name, value = line.split(b":", 1)
        if name.lower() == b"content-length":
            lengths.append(int(value))
    if len(lengths) != 1:
        sys.exit(f"lengths: {lengths}")
    return lengths[0]


def together(port, paths):
    s = connect(port)
    s.sendall(b"".join(ask(p) for p in paths))
    f = s.makefile("rb")
    for _ in paths:
        size = header(f)
        body = f.read(size)
        if len(body) != size:
            sys.exit(f"{len(body)} of {size} bytes")
        print(hashlib.sha256(body).hexdigest())


def slowly(port, path):
    s = connect(port, 4096)
    s.sendall(ask(path))
    f = s.makefile("rb")
    size = header(f)
    came = len(f.read(10000))
    print("reading", flush=True)
    sys.stdin.readline()
    try:
        while came < size:
            n = len(f.read1(65536))
            if not n:
                break
            came += n
    except OSError as e:
        print(e, file=sys.stderr)
    print(came, size)


if sys.argv[1] == "together":
    together(int(sys.argv[2]), sys.argv[3:])
else:
    slowly(int(sys.argv[2]), sys.argv[3])

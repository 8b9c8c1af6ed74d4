#!/usr/bin/env python3
"""A bad line: stands between UDP peers and loses, delays and reorders what passes.

    udp_relay.py LISTEN_IP TARGET_IP PORT [--loss PERCENT] [--delay MS] [--jitter MS] [--seed N] [--seconds N]

Listens at LISTEN_IP:PORT and passes on to TARGET_IP:PORT, each client from a socket of its own; answers go
the other way back, likewise ill-treated. Prints "ready", at the end "passed N lost N". Ends by itself."""
import argparse
import heapq
import random
import select
import signal
import socket
import sys
import time

CLIENTS_MAX = 1000
QUEUE_MAX = 20000

parser = argparse.ArgumentParser()
parser.add_argument("listen")
parser.add_argument("target")
parser.add_argument("port", type=int)
parser.add_argument("--loss", type=float, default=0)
parser.add_argument("--delay", type=float, default=0)
parser.add_argument("--jitter", type=float, default=0)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--seconds", type=float, default=120)
args = parser.parse_args()

chance = random.Random(args.seed)
front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
front.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
front.bind((args.listen, args.port))
front.setblocking(False)
backs, owners = {}, {}  # client address -> socket; socket -> client address
queue, order = [], 0
passed = lost = 0
stop = False


def on_term(*_):
    global stop
    stop = True


signal.signal(signal.SIGTERM, on_term)


def pass_on(sock, data, to):
    """Now, later, or never."""
    global passed, lost, order
    if chance.random() * 100 < args.loss or len(queue) >= QUEUE_MAX:
        lost += 1
        return
    passed += 1
    wait = (args.delay + chance.random() * args.jitter) / 1000
    order += 1
    heapq.heappush(queue, (time.monotonic() + wait, order, sock, data, to))


def back_of(client):
    if client not in backs:
        if len(backs) >= CLIENTS_MAX:
            return None
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        s.setblocking(False)
        backs[client], owners[s] = s, client
    return backs[client]


def read_from(sock):
    while True:
        try:
            data, source = sock.recvfrom(65536)
        except (BlockingIOError, ConnectionRefusedError):
            return
        if sock is front:
            back = back_of(source)
            if back:
                pass_on(back, data, (args.target, args.port))
        else:
            pass_on(front, data, owners[sock])


print("ready", flush=True)
end = time.monotonic() + args.seconds
while not stop and time.monotonic() < end:
    now = time.monotonic()
    while queue and queue[0][0] <= now:
        _, _, sock, data, to = heapq.heappop(queue)
        try:
            sock.sendto(data, to)
        except OSError:
            pass
    wait = min(queue[0][0] - now, 0.1) if queue else 0.1
    for sock in select.select([front, *owners], [], [], max(wait, 0))[0]:
        read_from(sock)
print(f"passed {passed} lost {lost}", flush=True)
sys.exit(0)

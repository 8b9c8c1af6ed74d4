"""Puts Opus beside the pictures of an FLV, which Debian's FFmpeg cannot: as Enhanced RTMP carries it.

usage: opus_flv.py PICTURES.flv SOUND.opus > OUT.flv
"""
import struct
import sys


def video_tags(data):
    at = 13
    while at + 11 <= len(data):
        size = int.from_bytes(data[at + 1 : at + 4], "big")
        ms = int.from_bytes(data[at + 4 : at + 7], "big") | data[at + 7] << 24
        if data[at] == 9:
            yield ms, 9, data[at + 11 : at + 11 + size]
        at += 11 + size + 4


def opus_packets(data):  # RFC 3533
    at, packet = 0, b""
    while at < len(data):
        lacing = data[at + 27 : at + 27 + data[at + 26]]
        at += 27 + len(lacing)
        for n in lacing:
            packet += data[at : at + n]
            at += n
            if n < 255:
                yield packet
                packet = b""


def main():
    video = list(video_tags(open(sys.argv[1], "rb").read()))
    head, _, *sounds = opus_packets(open(sys.argv[2], "rb").read())
    tags = video[:1] + [(0, 8, b"\x90Opus" + head)] + video[1:]
    tags += [(i * 20, 8, b"\x91Opus" + p) for i, p in enumerate(sounds)]
    tags.sort(key=lambda t: t[0])
    out = sys.stdout.buffer
    out.write(b"FLV\x01\x05\0\0\0\x09\0\0\0\0")
    for ms, kind, body in tags:
        out.write(struct.pack(">B", kind) + len(body).to_bytes(3, "big"))
        out.write((ms & 0xFFFFFF).to_bytes(3, "big") + bytes([ms >> 24, 0, 0, 0]))
        out.write(body + struct.pack(">I", 11 + len(body)))


main()

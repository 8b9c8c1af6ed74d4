#!/usr/bin/python3
"""GStreamer's webrtcbin as a peer: a second opinion beside Chromium and our own client.

    webrtc_gst.py play URL --frames N      plays by WHEP until N pictures are decoded, and sound with them
    webrtc_gst.py publish URL --seconds N  publishes a test picture and a tone by WHIP; prints "sending" once they flow

The token is read from STREAMGATE_TOKEN. Prints one line of JSON at the end. Exit status: 0 done, 1 failed or out of
time (--timeout), 3 refused (the HTTP status is told)."""
import argparse
import json
import os
import sys
import urllib.error
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

SENDER = """
webrtcbin name=peer bundle-policy=max-bundle
videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=180,framerate=30/1
  ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30 bitrate=500 ! video/x-h264,profile=constrained-baseline
  ! h264parse config-interval=-1 ! rtph264pay pt=96 aggregate-mode=zero-latency
  ! application/x-rtp,media=video,encoding-name=H264,payload=96 ! peer.
audiotestsrc is-live=true ! audioconvert ! audioresample ! opusenc ! rtpopuspay pt=111
  ! application/x-rtp,media=audio,encoding-name=OPUS,payload=111 ! peer.
"""
VIDEO_CAPS = ("application/x-rtp,media=video,encoding-name=H264,payload=96,clock-rate=90000,packetization-mode=(string)1,"
              "profile-level-id=(string)42e01f,rtcp-fb-nack=true,rtcp-fb-nack-pli=true")
AUDIO_CAPS = "application/x-rtp,media=audio,encoding-name=OPUS,payload=111,clock-rate=48000,encoding-params=(string)2"


class Peer:
    def __init__(self, args):
        self.args = args
        self.loop = GLib.MainLoop()
        self.counts = {"video": 0, "audio": 0}
        self.status, self.resource, self.said = 1, None, ""
        self.pipe = Gst.parse_launch(SENDER) if args.what == "publish" else Gst.Pipeline.new(None)
        if args.what == "play":
            self.peer = Gst.ElementFactory.make("webrtcbin", "peer")
            self.peer.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
            self.pipe.add(self.peer)
            self.peer.connect("pad-added", self.on_pad)
            for caps in (VIDEO_CAPS, AUDIO_CAPS):
                self.peer.emit("add-transceiver", GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY,
                               Gst.Caps.from_string(caps))
        else:
            self.peer = self.pipe.get_by_name("peer")
        self.peer.connect("on-negotiation-needed", self.on_negotiation)
        self.peer.connect("notify::ice-gathering-state", lambda *_: GLib.idle_add(self.exchange))
        self.peer.connect("notify::connection-state", self.on_state)
        bus = self.pipe.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", lambda _, m: self.end(1, str(m.parse_error())))

    def end(self, status, said=""):
        self.status, self.said = status, said
        self.loop.quit()
        return False

    # ---- offer and answer ----

    def on_negotiation(self, _):
        self.peer.emit("create-offer", None, Gst.Promise.new_with_change_func(self.on_offer, None))

    def on_offer(self, promise, _):
        promise.wait()
        reply = promise.get_reply()  # the offer is a part of it
        self.peer.emit("set-local-description", reply["offer"], Gst.Promise.new())

    def exchange(self):
        """All candidates are inside: one request, one answer."""
        if self.resource or self.peer.get_property("ice-gathering-state") != GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            return
        offer = self.peer.get_property("local-description").sdp.as_text()
        request = urllib.request.Request(self.args.url, offer.encode(), {
            "Content-Type": "application/sdp", "Authorization": "Bearer " + os.environ.get("STREAMGATE_TOKEN", "")})
        try:
            with urllib.request.urlopen(request, timeout=20) as reply:
                self.resource = reply.headers["Location"]
                text = reply.read()
        except urllib.error.HTTPError as e:
            self.end(3, f"refused: {e.code}")
            return
        _, sdp = GstSdp.SDPMessage.new_from_text(text.decode())
        answer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, sdp)
        self.peer.emit("set-remote-description", answer, Gst.Promise.new())

    def on_state(self, *_):
        state = self.peer.get_property("connection-state")
        if state == GstWebRTC.WebRTCPeerConnectionState.CONNECTED and self.args.what == "publish":
            print("sending", flush=True)
            GLib.timeout_add(int(self.args.seconds * 1000), self.end, 0)
        elif state == GstWebRTC.WebRTCPeerConnectionState.FAILED:
            GLib.idle_add(self.end, 1, "the connection failed")

    # ---- playing ----

    def on_pad(self, _, pad):
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        kind = pad.get_current_caps().get_structure(0).get_string("media")
        decode, sink = Gst.ElementFactory.make("decodebin"), Gst.ElementFactory.make("fakesink")
        sink.set_property("signal-handoffs", True)
        sink.set_property("sync", False)
        sink.connect("handoff", self.on_decoded, kind)
        decode.connect("pad-added", lambda _, p: p.link(sink.get_static_pad("sink")))
        for element in (decode, sink):
            self.pipe.add(element)
            element.sync_state_with_parent()
        pad.link(decode.get_static_pad("sink"))

    def on_decoded(self, _sink, _buffer, _pad, kind):
        self.counts[kind] += 1
        if self.counts["video"] >= self.args.frames and self.counts["audio"]:
            GLib.idle_add(self.end, 0)

    # ---- all of it ----

    def run(self):
        GLib.timeout_add(int(self.args.timeout * 1000), self.end, 1, "out of time")
        self.pipe.set_state(Gst.State.PLAYING)
        self.loop.run()
        if self.resource:
            host = "/".join(self.args.url.split("/")[:3])
            try:
                urllib.request.urlopen(urllib.request.Request(host + self.resource, method="DELETE"), timeout=5).close()
            except OSError:
                pass # it has ended already
        self.pipe.set_state(Gst.State.NULL)
        print(json.dumps({"status": self.status, "said": self.said, **self.counts}), flush=True)
        return self.status


parser = argparse.ArgumentParser()
parser.add_argument("what", choices=["play", "publish"])
parser.add_argument("url")
parser.add_argument("--frames", type=int, default=60)
parser.add_argument("--seconds", type=float, default=10)
parser.add_argument("--timeout", type=float, default=80)
Gst.init(None)
sys.exit(Peer(parser.parse_args()).run())

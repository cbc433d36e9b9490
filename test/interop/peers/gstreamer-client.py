"""GStreamer's webrtcbin as a client: python3 gstreamer-client.py SIGNALLING_URL COUNT. Does what echo.mjs does."""
import sys

import gi
from echo_messages import WINDOW, message_of, number_of, post_offer

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

URL, COUNT = sys.argv[1], int(sys.argv[2])


class Echo:
    """One channel. GStreamer calls back on threads of its own, so everything happens on the main loop instead."""

    def __init__(self, label, channel, on_open, on_done):
        self.label, self.channel, self.on_done = label, channel, on_done
        self.waiting, self.next = {}, 0
        channel.connect("on-open", lambda _: GLib.idle_add(on_open))
        channel.connect("on-message-string", lambda _, text: GLib.idle_add(self.received, text))
        channel.connect("on-message-data", lambda _, data: GLib.idle_add(self.received, data.get_data()))

    def fill(self):
        while self.next < COUNT and len(self.waiting) < WINDOW:
            message = message_of(self.label, self.next)
            self.waiting[self.next] = message
            self.next += 1
            if isinstance(message, str):
                self.channel.emit("send-string", message)
            else:
                self.channel.emit("send-data", GLib.Bytes.new(message))
        return GLib.SOURCE_REMOVE

    def received(self, message):
        if self.waiting.pop(number_of(message), None) != message:
            print(f"{self.label}: a message came back changed, or twice", flush=True)
            sys.exit(1)
        self.fill()
        if not self.waiting:
            print(f"{self.label} {COUNT} echoes", flush=True)
            self.on_done()
        return GLib.SOURCE_REMOVE


def main():
    Gst.init(None)
    print(Gst.version_string(), flush=True)
    loop = GLib.MainLoop()
    pipeline = Gst.Pipeline.new()
    peer = Gst.ElementFactory.make("webrtcbin")
    if peer is None:
        sys.exit("GStreamer has no webrtcbin")
    peer.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
    peer.connect("notify::connection-state", lambda *_: print("state", peer.get_property("connection-state").value_nick))
    pipeline.add(peer)
    pipeline.set_state(Gst.State.PLAYING)

    opened, echoes = [], []

    def on_open():
        opened.append(True)
        if len(opened) == len(echoes):
            echoes[0].fill()
        return GLib.SOURCE_REMOVE

    def on_done():
        echoes.pop(0)
        if echoes:
            echoes[0].fill()
        else:
            loop.quit()

    unreliable = Gst.Structure.new_empty("options")
    unreliable.set_value("ordered", False)
    unreliable.set_value("max-retransmits", 0)
    for label, options in (("unreliable", unreliable), ("reliable", None)):
        echoes.append(Echo(label, peer.emit("create-data-channel", label, options), on_open, on_done))

    def offered(promise):
        reply = promise.get_reply()  # owns the description, so it must outlive the call
        peer.emit("set-local-description", reply.get_value("offer"), Gst.Promise.new())

    def gathered(*_):
        if peer.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            GLib.idle_add(signal)

    def signal():
        answer = post_offer(URL, peer.get_property("local-description").sdp.as_text())["sdp"]
        _, message = GstSdp.SDPMessage.new_from_text(answer)
        description = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
        peer.emit("set-remote-description", description, Gst.Promise.new())
        return GLib.SOURCE_REMOVE

    peer.connect("notify::ice-gathering-state", gathered)
    peer.emit("create-offer", None, Gst.Promise.new_with_change_func(offered))
    loop.run()
    pipeline.set_state(Gst.State.NULL)


main()

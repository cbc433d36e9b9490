"""aiortc as a client: python3 aiortc-client.py SIGNALLING_URL COUNT. Does what echo.mjs does."""
import asyncio
import sys

import aiortc
from echo_messages import WINDOW, message_of, number_of, post_offer


async def echo(channel, opened, count):
    messages = asyncio.Queue()
    channel.on("message", messages.put_nowait)
    await opened.wait()
    waiting = {}
    following = 0
    while following < count or waiting:
        while following < count and len(waiting) < WINDOW:
            waiting[following] = message_of(channel.label, following)
            channel.send(waiting[following])
            following += 1
        message = await messages.get()
        if waiting.pop(number_of(message), None) != message:
            raise ValueError(f"{channel.label}: a message came back changed, or twice")
    print(f"{channel.label} {count} echoes", flush=True)


async def main(url, count):
    peer = aiortc.RTCPeerConnection()
    peer.on("connectionstatechange", lambda: print("state", peer.connectionState, flush=True))
    channels = [peer.createDataChannel("unreliable", ordered=False, maxRetransmits=0), peer.createDataChannel("reliable")]
    opened = [asyncio.Event() for _ in channels]
    for channel, event in zip(channels, opened):
        channel.on("open", event.set)
    await peer.setLocalDescription(await peer.createOffer())
    answer = await asyncio.to_thread(post_offer, url, peer.localDescription.sdp)
    await peer.setRemoteDescription(aiortc.RTCSessionDescription(**answer))
    for channel, event in zip(channels, opened):
        await echo(channel, event, count)
    await peer.close()


print("aiortc", aiortc.__version__, flush=True)
asyncio.run(main(sys.argv[1], int(sys.argv[2])))

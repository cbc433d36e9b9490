"""What the clients in Python share: the messages of echo.mjs, and the exchange of offer and answer."""
import json
import urllib.request

WINDOW = 8
# Bytes of the messages by channel, in turn; 0 stands for text.
SIZES = {"unreliable": [0, 4, 100, 1_100, 16_384], "reliable": [0, 4, 100, 1_100, 16_384, 60_000]}


def message_of(label, index):
    sizes = SIZES[label]
    size = sizes[index % len(sizes)]
    if size == 0:
        return f"{index} ä€😀"
    return index.to_bytes(4, "big") + bytes([index & 0xFF]) * (size - 4)


def number_of(message):
    return int(message.split(" ")[0]) if isinstance(message, str) else int.from_bytes(message[:4], "big")


def post_offer(url, sdp):
    with urllib.request.urlopen(urllib.request.Request(url, sdp.encode())) as response:
        return json.load(response)["answer"]

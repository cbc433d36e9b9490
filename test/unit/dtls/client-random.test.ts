import { expect, test } from "vitest";
import { clientRandom, continuesHello } from "../../../src/dtls/client-random.ts";
import { Party } from "./support.ts";

/** The datagrams of a ClientHello with a hybrid key, cut to this MTU. */
function hello(mtuBytes: number): Uint8Array[] {
  const client = new Party({ role: "client", versions: ["1.3"], groups: [0x11ec, 0x001d], mtuBytes });
  client.connection.start(0);
  return client.take();
}

test("a ClientHello begins with its random, and its later fragments continue it", () => {
  const [first, ...rest] = hello(256);
  expect(rest.length).toBeGreaterThan(3);
  expect(clientRandom(first)).toEqual(first.slice(27, 59));
  expect(continuesHello(first)).toBe(false);
  for (const datagram of rest) {
    expect(clientRandom(datagram)).toBeUndefined();
    expect(continuesHello(datagram)).toBe(true);
  }
});

test("nothing else begins or continues a ClientHello, however short it is cut", () => {
  const [first] = hello(1_200);
  const changed = (at: number, value: number) => Uint8Array.from(first, (byte, i) => (i === at ? value : byte));
  for (const other of [changed(0, 23), changed(3, 1), changed(4, 1), changed(13, 2)]) {
    expect([clientRandom(other), continuesHello(other)]).toEqual([undefined, false]);
  }
  for (let length = 0; length < 59; length++) {
    const cut = first.subarray(0, length);
    expect([clientRandom(cut), continuesHello(cut)]).toEqual([undefined, length >= 27]);
  }
});

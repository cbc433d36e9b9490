import { beforeEach, expect, test } from "vitest";
import type { Route } from "../../../src/core/address-table.ts";
import { type Claimant, Routes } from "../../../src/core/routes.ts";
import type { SocketAddress } from "../../../src/wire/address.ts";

const HOME = { address: "192.0.2.1", port: 1000 };
const DATAGRAM = Uint8Array.of(22);

class Peer implements Claimant<Peer> {
  routes: Route<Peer>[] = [];
  readonly name: string;
  established: boolean;
  remote: SocketAddress = HOME;
  /** What it does with a datagram besides. */
  onDatagram: (source: SocketAddress) => void = () => {};

  constructor(name: string, established = false) {
    this.name = name;
    this.established = established;
  }

  handleDatagram(_now: number, source: SocketAddress): void {
    delivered.push(this.name);
    this.onDatagram(source);
  }
}

let routes: Routes<Peer>;
let delivered: string[];

beforeEach(() => {
  routes = new Routes(0x2f3c_51a7);
  delivered = [];
});

function deliver(source: SocketAddress = HOME): string[] {
  delivered = [];
  routes.deliver(0, source, DATAGRAM);
  return delivered;
}

test("a datagram from an address that nobody claimed goes to nobody", () => {
  routes.claim(HOME, new Peer("a"));
  expect(routes.deliver(0, { address: HOME.address, port: 1001 }, DATAGRAM)).toBe(false);
  expect(routes.deliver(0, { address: "192.0.2.2", port: HOME.port }, DATAGRAM)).toBe(false);
});

test("a claim on an established connection's address takes nothing from it", () => {
  const [owner, newcomer] = [new Peer("owner", true), new Peer("newcomer")];
  routes.claim(HOME, owner);
  routes.claim(HOME, newcomer);
  expect(deliver()).toEqual(["owner", "newcomer"]);
});

test("of several handshakes on one address only the one that checked last is given a ClientHello", () => {
  const [first, second] = [new Peer("first"), new Peer("second")];
  routes.claim(HOME, first);
  routes.claim(HOME, second);
  expect(deliver()).toEqual(["second"]);
  routes.claim(HOME, first);
  expect(deliver()).toEqual(["first"]);
  routes.claim(HOME, new Peer("established", true));
  expect(deliver()).toEqual(["first", "established"]);
});

test("an address is one and the same object, for however many it stands", () => {
  const [first, second] = [new Peer("first", true), new Peer("second", true)];
  const seen = new Set<SocketAddress>([routes.claim({ ...HOME }, first), routes.claim({ ...HOME }, first)]);
  first.onDatagram = second.onDatagram = (source) => seen.add(source);
  deliver({ ...HOME });
  seen.add(routes.claim({ ...HOME }, second));
  expect(deliver({ ...HOME })).toEqual(["first", "second"]);
  expect(seen.size).toBe(1);
});

test("a claim that is renewed is still one, and the first one stays the first", () => {
  const [owner, newcomer] = [new Peer("owner", true), new Peer("newcomer", true)];
  for (const peer of [owner, owner, newcomer, owner]) routes.claim(HOME, peer);
  expect(deliver()).toEqual(["owner", "newcomer"]);
});

test("a claimant that ends with a datagram keeps it from none of the others", () => {
  const peers = ["a", "b", "c"].map((name) => new Peer(name, true));
  for (const peer of peers) routes.claim(HOME, peer);
  peers[0].onDatagram = () => routes.releaseAll(peers[0]);
  expect(deliver()).toEqual(["a", "b", "c"]);
  expect(deliver()).toEqual(["b", "c"]);
});

test("four claims stand on one address; a fifth takes the place of the oldest without keys but for the first", () => {
  const [first, established, handshaking, other] = [
    new Peer("first"),
    new Peer("established", true),
    new Peer("handshaking"),
    new Peer("other", true),
  ];
  for (const peer of [first, established, handshaking, other]) routes.claim(HOME, peer);
  const held = () => [first, established, handshaking, other].map((peer) => peer.routes.length);
  expect(held()).toEqual([1, 1, 1, 1]);
  routes.claim(HOME, new Peer("fifth", true));
  expect(held()).toEqual([1, 1, 0, 1]);
  // All but the first have keys: then the oldest of these gives way.
  routes.claim(HOME, new Peer("sixth", true));
  expect(held()).toEqual([1, 0, 0, 1]);
});

test("a connection that receives at an address ends the other claims, and names those that are left without any", () => {
  const [homeless, moved, winner] = [new Peer("homeless", true), new Peer("moved", true), new Peer("winner", true)];
  for (const peer of [homeless, moved, winner]) routes.claim(HOME, peer);
  routes.claim({ address: "192.0.2.9", port: 9 }, moved);
  expect(routes.settle(HOME, winner)).toEqual([homeless]);
  expect(deliver()).toEqual(["winner"]);
});

test("a flood of claims never pushes out the first one, and is bounded", () => {
  const owner = new Peer("owner", true);
  routes.claim(HOME, owner);
  const flood = Array.from({ length: 50 }, (_, i) => new Peer(`spoofed ${i}`, i % 2 === 0));
  for (const peer of flood) routes.claim(HOME, peer);
  expect(deliver()[0]).toBe("owner");
  expect(deliver().length).toBeLessThanOrEqual(4);
  expect(flood.filter((peer) => peer.routes.length > 0).length).toBeLessThanOrEqual(3);
});

test("a connection keeps its latest addresses and the one it sends to", () => {
  const peer = new Peer("wanderer", true);
  const at = (port: number) => ({ address: HOME.address, port });
  for (let port = 1000; port < 1010; port++) routes.claim(at(port), peer);
  expect(peer.routes.map(({ port }) => port)).toEqual([1000, 1007, 1008, 1009]);
  expect(deliver(at(1003))).toEqual([]);
});

test("when a connection ends its addresses are free", () => {
  const [gone, next] = [new Peer("gone", true), new Peer("next")];
  const others = [1001, 1002].map((port) => ({ address: HOME.address, port }));
  for (const address of [HOME, ...others]) routes.claim(address, gone);
  routes.releaseAll(gone);
  for (const address of [HOME, ...others]) expect(routes.deliver(0, address, DATAGRAM)).toBe(false);
  expect(gone.routes).toEqual([]);
  routes.claim(HOME, next);
  expect(deliver()).toEqual(["next"]);
});

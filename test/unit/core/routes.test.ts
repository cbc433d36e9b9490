import { beforeEach, expect, test } from "vitest";
import type { Route } from "../../../src/core/address-table.ts";
import { type Claimant, Routes } from "../../../src/core/routes.ts";
import type { SocketAddress } from "../../../src/wire/address.ts";

const HOME = { address: "192.0.2.1", port: 1000 };
const DATAGRAM = Uint8Array.of(22);

class Peer implements Claimant<Peer> {
  readonly routes: Route<Peer>[] = [];
  readonly name: string;
  established: boolean;
  remote: SocketAddress = HOME;

  constructor(name: string, established = false) {
    this.name = name;
    this.established = established;
  }

  handleDatagram(): void {
    delivered.push(this.name);
  }
}

let routes: Routes<Peer>;
let delivered: string[];

beforeEach(() => {
  routes = new Routes();
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
  routes.claim(HOME, gone);
  routes.releaseAll(gone);
  expect(deliver()).toEqual([]);
  routes.claim(HOME, next);
  expect(deliver()).toEqual(["next"]);
});

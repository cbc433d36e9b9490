import { beforeEach, expect, test } from "vitest";
import type { Challenger, Route } from "../../../src/core/address-table.ts";
import { type Claimant, Routes } from "../../../src/core/routes.ts";
import type { SocketAddress } from "../../../src/wire/address.ts";

const HOME = { address: "192.0.2.1", port: 1000 };
const DATAGRAM = Uint8Array.of(22);

class Peer implements Claimant<Peer> {
  routes: Route<Peer>[] = [];
  readonly name: string;
  established: boolean;
  remote: SocketAddress = HOME;
  hello: Uint8Array | undefined;
  handshakingAt: SocketAddress | undefined;
  stage: Challenger["stage"] = "begun";
  /** What it does with a datagram besides. */
  onDatagram: (source: SocketAddress) => void = () => {};

  constructor(name: string, established = false) {
    this.name = name;
    this.established = established;
  }

  isHandshakingAt(source: SocketAddress): boolean {
    return source === this.handshakingAt;
  }

  giveWay(): void {
    delivered.push(`${this.name} gives way`);
  }

  holdBack(): void {
    delivered.push(`${this.name} holds back`);
  }

  handleDatagram(_now: number, source: SocketAddress): void {
    delivered.push(this.name);
    this.onDatagram(source);
    if (contests.includes(this)) contestDoes(this);
  }
}

let routes: Routes<Peer>;
let delivered: string[];
let departed: string[];
/** The leaders that were asked for, the latest last. */
let contests: Peer[];
/** What a contest does with a datagram. */
let contestDoes: (contest: Peer) => void;

beforeEach(() => {
  routes = new Routes(0x2f3c_51a7, {
    contest(_, { round }) {
      const contest = new Peer(`contest ${contests.length + 1}`);
      contest.stage = round === 0 ? "begun" : "hearing";
      contests.push(contest);
      return contest;
    },
    departed: (_, { name }) => departed.push(name),
  });
  departed = [];
  contests = [];
  contestDoes = () => {};
  delivered = [];
});

function deliver(source: SocketAddress = HOME, datagram: Uint8Array = DATAGRAM): string[] {
  delivered = [];
  routes.deliver(0, source, datagram);
  return delivered;
}

/** The beginning of a ClientHello with a random of these bytes. */
function hello(random: number): Uint8Array {
  const datagram = new Uint8Array(100);
  datagram.set([22, 0xfe, 0xfd, 0, 0]);
  datagram.set([1], 13);
  return datagram.fill(random, 27, 59);
}

/** A datagram with a later fragment of a ClientHello. */
function laterFragment(): Uint8Array {
  const datagram = hello(9);
  datagram[21] = 40;
  return datagram;
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

test("a single handshake is led by its own session, also beside an established connection", () => {
  const page = new Peer("page");
  routes.claim(HOME, page);
  expect(deliver(HOME, hello(1))).toEqual(["page"]);
  routes.claim(HOME, new Peer("established", true));
  expect(deliver(HOME, hello(1))).toEqual(["established", "page"]);
  expect(contests).toEqual([]);
});

test("where several sessions claim an address, a ClientHello is given to none of them, but to a leader", () => {
  for (const name of ["page", "spoofed 1", "spoofed 2"]) routes.claim(HOME, new Peer(name));
  expect(deliver()).toEqual([]);
  expect(deliver(HOME, hello(1))).toEqual(["contest 1"]);
  contests[0].hello = hello(1).slice(27, 59);
  routes.claim(HOME, new Peer("spoofed 3"));
  expect(deliver(HOME, hello(1))).toEqual(["contest 1"]);
  expect(deliver()).toEqual(["contest 1"]);
});

test("a handshake that has begun goes on with its session, whoever claims the address", () => {
  const page = new Peer("page");
  page.handshakingAt = routes.claim(HOME, page);
  page.hello = hello(1).slice(27, 59);
  for (let i = 0; i < 20; i++) routes.claim(HOME, new Peer(`spoofed ${i}`));
  expect(deliver()).toEqual(["page"]);
  expect(deliver(HOME, hello(1))).toEqual(["page"]);
  expect(contests).toEqual([]);
});

test("a client that begins anew leads once it has returned its cookie, and the one before gives way", () => {
  const [old, fresh] = [new Peer("old"), new Peer("fresh")];
  old.handshakingAt = routes.claim(HOME, old);
  old.hello = hello(1).slice(27, 59);
  routes.claim(HOME, fresh);
  const ask = () => (contests.at(-1)!.stage = "asked");
  contestDoes = ask;
  expect(deliver(HOME, hello(2))).toEqual(["contest 1", "contest 1 gives way"]);
  expect(deliver()).toEqual(["old"]);
  expect(deliver(HOME, hello(1))).toEqual(["old"]);
  contestDoes = () => (contests.at(-1)!.stage = "begun");
  expect(deliver(HOME, hello(2))).toEqual(["contest 2", "old gives way"]);
  expect(deliver()).toEqual(["contest 2"]);
  routes.forgetLeader(HOME, contests[1]);
  contestDoes = ask;
  expect(deliver(HOME, hello(3))).toEqual(["contest 3", "contest 3 gives way"]);
});

test("of the hellos that another one leads there is one at a time of which a part is kept", () => {
  for (const name of ["page", "spoofed"]) routes.claim(HOME, new Peer(name));
  expect(deliver(HOME, hello(1))).toEqual(["contest 1"]);
  contests[0].hello = hello(1).slice(27, 59);
  contestDoes = (contest) => (contest.hello ??= hello(contests.length).slice(27, 59));
  expect(deliver(HOME, hello(2))).toEqual(["contest 2"]);
  expect(deliver(HOME, hello(2))).toEqual(["contest 2"]);
  expect(deliver(HOME, hello(3))).toEqual(["contest 2 gives way", "contest 3"]);
  expect(deliver(HOME, hello(1))).toEqual(["contest 3 gives way", "contest 1"]);
});

test("later fragments of a hello go to whoever has its beginning, and all else to the leader", () => {
  for (const name of ["page", "spoofed"]) routes.claim(HOME, new Peer(name));
  deliver(HOME, hello(1));
  contests[0].hello = hello(1).slice(27, 59);
  contestDoes = (contest) => (contest.hello ??= hello(2).slice(27, 59));
  expect(deliver(HOME, laterFragment())).toEqual(["contest 1"]);
  deliver(HOME, hello(2));
  expect(deliver(HOME, laterFragment())).toEqual(["contest 2"]);
  expect(deliver()).toEqual(["contest 1"]);
  deliver(HOME, hello(1));
  expect(deliver(HOME, laterFragment())).toEqual(["contest 1"]);
});

test("whoever leads holds back when another session claims the address, and takes no fragment before a new beginning", () => {
  const page = new Peer("page");
  page.handshakingAt = routes.claim(HOME, page);
  page.hello = hello(1).slice(27, 59);
  delivered = [];
  routes.claim(HOME, new Peer("reloaded"));
  expect(delivered).toEqual(["page holds back"]);
  expect(deliver(HOME, laterFragment())).toEqual([]);
  expect(deliver(HOME, hello(1))).toEqual(["page"]);
  expect(deliver(HOME, laterFragment())).toEqual(["page"]);
});

test("a session that has begun its handshake beside an established connection leads it, too", () => {
  routes.claim(HOME, new Peer("established", true));
  const page = new Peer("page");
  page.handshakingAt = routes.claim(HOME, page);
  page.hello = hello(1).slice(27, 59);
  routes.claim(HOME, new Peer("reloaded"));
  expect(deliver()).toEqual(["established", "page"]);
  contestDoes = (contest) => (contest.stage = "begun");
  expect(deliver(HOME, hello(2))).toEqual(["established", "contest 1", "page gives way"]);
});

test("where the path changes in the middle of a handshake, it goes on with whoever had begun", () => {
  const page = new Peer("page");
  page.hello = hello(1).slice(27, 59);
  routes.claim(HOME, new Peer("spoofed"));
  routes.claim(HOME, page);
  expect(deliver()).toEqual(["page"]);
});

test("a claim that ends without a handshake is told of, and one that ends after it is not", () => {
  const [page, spoofed, late] = ["page", "spoofed", "late"].map((name) => new Peer(name));
  for (const peer of [page, spoofed, late]) routes.claim(HOME, peer);
  routes.releaseAll(late);
  page.established = true;
  routes.established(page);
  routes.settle(HOME, page);
  routes.releaseAll(page);
  expect(departed).toEqual(["late", "spoofed"]);
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

test("four established connections stand on one address; a fifth takes the place of the oldest but for the first", () => {
  const peers = [1, 2, 3, 4, 5, 6].map((i) => new Peer(`${i}`, true));
  for (const peer of peers) routes.claim(HOME, peer);
  expect(deliver()).toEqual(["1", "4", "5", "6"]);
  expect(peers.map((peer) => peer.routes.length)).toEqual([1, 0, 0, 1, 1, 1]);
});

test("a connection that receives at an address ends the other claims, and names those that are left without any", () => {
  const [homeless, moved, winner] = [new Peer("homeless", true), new Peer("moved", true), new Peer("winner", true)];
  for (const peer of [homeless, moved, winner]) routes.claim(HOME, peer);
  routes.claim({ address: "192.0.2.9", port: 9 }, moved);
  expect(routes.settle(HOME, winner)).toEqual([homeless]);
  expect(deliver()).toEqual(["winner"]);
});

test("a flood of claims pushes out neither the first connection nor a session in its handshake", () => {
  const [owner, page] = [new Peer("owner", true), new Peer("page")];
  routes.claim(HOME, owner);
  routes.claim(HOME, page);
  for (let i = 0; i < 50; i++) routes.claim(HOME, new Peer(`spoofed ${i}`, i % 2 === 0));
  expect(deliver()[0]).toBe("owner");
  expect(deliver().length).toBeLessThanOrEqual(4);
  expect(routes.claimants(HOME)[0]).toBe(page);
  expect(departed).toEqual([]);
});

test("a connection keeps its latest addresses and the one it sends to", () => {
  const peer = new Peer("wanderer", true);
  const at = (port: number) => ({ address: HOME.address, port });
  for (let port = 1000; port < 1020; port++) routes.claim(at(port), peer);
  expect(peer.routes.map(({ port }) => port)).toEqual([1000, 1013, 1014, 1015, 1016, 1017, 1018, 1019]);
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

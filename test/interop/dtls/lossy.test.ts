/**
 * Our connection and the stacks that speak DTLS 1.2, over a link that loses datagrams or carries small ones only. All cases run
 * beside each other, for they wait for timers of seconds.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { toHex } from "../../../src/wire/bytes.ts";
import { findCommand } from "../../support/commands.ts";
import { Blackout, randomLoss, sparingLastFlight } from "./lossy-link.ts";
import { CertificateFiles, type CertificateKind, type Program } from "./program.ts";
import { type DtlsStack, findStacks, STACK_NAMES } from "./stacks.ts";
import { type LossyLink, UdpPeer } from "./udp-peer.ts";

/** Their timers begin at a second and double: a last flight that is lost three times costs them seven. */
const PATIENCE_MS = 50_000;
/** These programs count real time. On an overloaded machine one in some hundred gives up by its own clock. */
const REAL_TIME = { retry: 2 };
/** How often a message is said again on a link that loses some. */
const REPEAT_MS = 250;
const KINDS = ["P-256", "P-384", "RSA 2048"] as const;
const ROLES = ["server", "client"] as const;

let stacks: readonly DtlsStack[];
const filesByKind = new Map<CertificateKind, CertificateFiles>();

beforeAll(() => {
  stacks = findStacks();
  const openssl = findCommand(["openssl"]);
  for (const kind of KINDS) filesByKind.set(kind, new CertificateFiles(openssl, kind));
});
afterAll(() => {
  for (const files of filesByKind.values()) files.remove();
});

interface Case {
  /** The role that we have. */
  readonly role: "server" | "client";
  readonly kind: CertificateKind;
  readonly loses?: LossyLink;
  /** Of both sides, where the stack's can be set. */
  readonly mtuBytes?: number;
}

/** Connects to the stack, and sees one message arrive on each side. */
async function connectAndTalk(
  name: string,
  { role, kind, loses = () => false, mtuBytes = 1_200 }: Case,
): Promise<void> {
  const stack = stacks.find((one) => one.name === name)!;
  const files = filesByKind.get(kind)!;
  const options = { handshakeTimeoutMs: PATIENCE_MS, mtuBytes };
  const link = role === "server" || stack.repeatsLastFlight ? loses : sparingLastFlight(loses);
  const { ours, theirs } = await (role === "server" ? asServer() : asClient());
  try {
    await ours.connected(PATIENCE_MS);
    expect(toHex(ours.peerCertificate!)).toBe(toHex(files.der));
    await exchange(role, ours, theirs);
    expect(Math.max(...ours.sentLengths)).toBeLessThanOrEqual(mtuBytes);
  } catch (error) {
    throw new Error(`${error}\ntheirs: ${theirs.text.replace(/(data hello from us\s+)+/g, "$1").slice(-2_000)}`);
  } finally {
    await Promise.all([ours.stop(), theirs.stop()]);
  }

  async function asServer() {
    const ours = await UdpPeer.server(options);
    ours.loses = link;
    return { ours, theirs: stack.client(ours.port, files, mtuBytes) };
  }
  async function asClient() {
    const { program: theirs, port } = await stack.server(files, mtuBytes);
    const ours = await UdpPeer.client(port, options);
    ours.loses = link;
    ours.start();
    return { ours, theirs };
  }
}

/**
 * Each side says something, again and again, until the other has heard it. As server we wait for the client's word: GnuTLS
 * starts its timer over with each datagram that comes, so one that is spoken to more often than once a second before it has
 * our Finished never repeats its own.
 */
async function exchange(role: Case["role"], ours: UdpPeer, theirs: Program): Promise<void> {
  let heard = false;
  const speak = setInterval(() => {
    if (ours.connection.state === "connected" && (role === "client" || heard)) ours.send("hello from us\n");
    theirs.write("hello from them\n");
  }, REPEAT_MS);
  try {
    // gnutls-serv says nothing of its own: it sends back what came.
    const isHello = /hello from (us|them)/;
    const toUs = ours.events.waitFor(
      PATIENCE_MS,
      "their message",
      (one) => one.type === "data" && isHello.test(one.text),
    );
    const toThem = theirs.wrote("hello from us", PATIENCE_MS);
    await Promise.all([toUs.then(() => (heard = true)), toThem]);
  } finally {
    clearInterval(speak);
  }
}

describe.concurrent.each(STACK_NAMES)("%s", (name) => {
  describe.each(ROLES)("and we as %s", (role) => {
    it.each(KINDS)(
      "connect and talk where each fifth datagram is lost, with a certificate for %s",
      REAL_TIME,
      async (kind) => {
        const seed = `${name}, ${role}, ${kind}`;
        await connectAndTalk(name, { role, kind, loses: randomLoss(0.2, seed) }).catch((error) => {
          throw new Error(`seed "${seed}": ${error}`);
        });
      },
    );

    it.each([300, 500])("connect and talk in datagrams of at most %i bytes", async (mtuBytes) => {
      await connectAndTalk(name, { role, kind: "RSA 2048", mtuBytes });
    });

    it.each([1, 2, 3, 4, 5, 6])(
      "outlast three seconds without a datagram from flight %i on",
      REAL_TIME,
      async (flight) => {
        const blackout = new Blackout(flight, 3_000);
        await connectAndTalk(name, { role, kind: "P-256", loses: blackout.loses });
        expect(blackout.began).toBe(true);
      },
    );
  });
});

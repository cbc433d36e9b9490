/** Our DTLS client against the browsers' DTLS servers: the answer says `setup:active`, so that the browser waits for a hello. */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { randomBytes, sha256 } from "../../src/crypto/platform.ts";
import { Certificate } from "../../src/dtls/certificate.ts";
import { type DtlsCloseReason, DtlsConnection, type DtlsOptions } from "../../src/dtls/connection.ts";
import { generateCredentials, type IceCredentials } from "../../src/ice/credentials.ts";
import { answerCheck } from "../../src/ice/lite.ts";
import { isStun, parseBindingRequest } from "../../src/ice/stun.ts";
import { buildAnswer } from "../../src/signalling/answer.ts";
import { type Offer, parseOffer } from "../../src/signalling/offer.ts";
import { Datapath } from "../../src/wasm/datapath.ts";
import { equalBytes } from "../../src/wire/bytes.ts";
import { BROWSERS, launchBrowser, type RunningBrowser } from "../support/browsers.ts";
import { type Site, startSite } from "../support/site.ts";
import { EventLog } from "../support/wait.ts";

type Happening = "connected" | "data" | DtlsCloseReason;

/** ICE-lite and a DTLS client over a socket of its own, for the one browser whose offer it answers. */
class ActivePeer {
  readonly happened = new EventLog<Happening>();
  readonly packets: Uint8Array[] = [];
  readonly connection: DtlsConnection;
  readonly #socket: Socket;
  readonly #credentials: IceCredentials = generateCredentials(randomBytes);
  readonly #certificate = Certificate.generate();
  readonly #offer: Offer;
  readonly #datapath = new Datapath({ keySlots: 4 });
  #port = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(socket: Socket, offer: Offer, options: Partial<DtlsOptions>) {
    this.#socket = socket;
    this.#offer = offer;
    this.connection = new DtlsConnection(
      {
        role: "client",
        certificate: this.#certificate,
        datapath: this.#datapath,
        verifyPeerCertificate: (der) => equalBytes(sha256(der), offer.fingerprint),
        ...options,
      },
      {
        transmit: (datagram) => this.#socket.send(datagram.slice(), this.#port, "127.0.0.1"),
        applicationData: (plaintext) => {
          this.packets.push(plaintext.slice());
          this.happened.push("data");
        },
        connected: () => this.happened.push("connected"),
        closed: (reason) => this.happened.push(reason),
      },
    );
    socket.on("message", (datagram, { port }) => {
      if (isStun(datagram[0])) this.#answerCheck(datagram, port);
      else this.connection.handleDatagram(performance.now(), datagram);
      this.#arm();
    });
  }

  get answer(): string {
    const { port } = this.#socket.address() as AddressInfo;
    const { ufrag, pwd } = this.#credentials;
    const fingerprint = this.#certificate.fingerprintBytes;
    const candidates = [{ address: "127.0.0.1", port }];
    return buildAnswer(this.#offer, { ufrag, pwd, fingerprint, candidates, maxMessageBytes: 65_536 }).replace(
      "a=setup:passive",
      "a=setup:active",
    );
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.connection.close(performance.now());
    this.#socket.close();
    await once(this.#socket, "close");
  }

  #answerCheck(datagram: Uint8Array, port: number): void {
    const request = parseBindingRequest(datagram);
    if (typeof request === "string") return;
    const { ufrag: localUfrag, pwd: localPwd } = this.#credentials;
    const session = { localUfrag, localPwd, remoteUfrag: this.#offer.ufrag };
    const outcome = answerCheck(session, request, { address: "127.0.0.1", port }, this.#datapath);
    if (outcome.kind !== "accept") return;
    this.#socket.send(outcome.response.slice(), port, "127.0.0.1");
    if (!outcome.nominated || this.#port !== 0) return;
    this.#port = port;
    this.connection.start(performance.now());
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const { nextDeadline } = this.connection;
    if (nextDeadline === Number.POSITIVE_INFINITY) return;
    const handle = () => {
      this.connection.handleTimeout(performance.now());
      this.#arm();
    };
    this.#timer = setTimeout(handle, Math.max(0, nextDeadline - performance.now()));
  }
}

/** Runs in the page: offers a channel, takes the answer, and says how its own DTLS transport ended up. */
const CONNECT = `(async () => {
  const peer = (window.peer = new RTCPeerConnection());
  peer.createDataChannel("data");
  await peer.setLocalDescription(await peer.createOffer());
  const response = await fetch("/new_rtc_session", { method: "POST", body: peer.localDescription.sdp });
  await peer.setRemoteDescription({ type: "answer", sdp: await response.text() });
  await new Promise((resolve, reject) => {
    const look = () => {
      if (peer.connectionState === "connected") resolve();
      if (peer.connectionState === "failed") reject(new Error("failed"));
    };
    peer.onconnectionstatechange = look;
    look();
  });
  const transport = [...(await peer.getStats()).values()].find(({ type }) => type === "transport");
  return transport?.tlsVersion ?? "not told";
})()`;

describe.each(BROWSERS)("%s as DTLS server", (name) => {
  let browser: RunningBrowser;
  let site: Site;
  let options: Partial<DtlsOptions> = {};
  const peers: ActivePeer[] = [];

  beforeAll(async () => {
    site = await startSite(async (request) => {
      const parsed = parseOffer(await request.text());
      if (!parsed.ok) return new Response(parsed.error, { status: 400 });
      const socket = createSocket("udp4");
      socket.bind(0, "127.0.0.1");
      await once(socket, "listening");
      const peer = new ActivePeer(socket, parsed.offer, options);
      peers.push(peer);
      return new Response(peer.answer);
    });
    browser = await launchBrowser(name);
  });

  afterAll(async () => {
    for (const peer of peers) await peer.close();
    await browser?.close();
    await site?.close();
  });

  test.each<[string, Partial<DtlsOptions>, "1.2" | "1.3", number]>([
    ["DTLS 1.3 with a hybrid key", { versions: ["1.3", "1.2"] }, "1.3", 0x11ec],
    ["DTLS 1.3 with X25519", { versions: ["1.3"], groups: [0x001d] }, "1.3", 0x001d],
    ["DTLS 1.3 with P-256, in small datagrams", { versions: ["1.3"], groups: [0x0017], mtuBytes: 300 }, "1.3", 0x0017],
    ["DTLS 1.2", { versions: ["1.2"] }, "1.2", 0x001d],
  ])("agrees on %s and sends its INIT", async (_what, wanted, version, group) => {
    options = wanted;
    const page = await browser.open(site.url);
    const [tlsVersion] = await Promise.all([page.evaluate(CONNECT)]);
    const peer = peers.at(-1)!;
    await peer.happened.waitFor(10_000, "the browser's INIT", (event) => event === "data");
    expect(peer.happened.entries[0]).toBe("connected");
    expect([peer.connection.version, peer.connection.group]).toEqual([version, group]);
    if (tlsVersion !== "not told") expect(tlsVersion).toBe(version === "1.3" ? "FEFC" : "FEFD");
    expect(peer.packets[0][12]).toBe(1); // INIT
    expect(peer.connection.peerCertificate).toBeDefined();
    // A key update is acknowledged, and what comes afterwards still opens.
    if (version === "1.3") {
      peer.connection.updateKey(performance.now(), true);
      const before = peer.packets.length;
      await peer.happened.waitForCount(15_000, "a repeated INIT", peer.happened.entries.length + 1);
      expect(peer.packets.length).toBeGreaterThan(before);
    }
    await page.evaluate("peer.close()");
    const end = await peer.happened.waitFor(10_000, "its goodbye", (event) => typeof event === "object");
    expect(end).toEqual({ cause: "peer" });
    await page.close();
  });
});

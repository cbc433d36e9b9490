import assert from "node:assert/strict";
import { Endpoint } from "../../../src/core/server-endpoint.ts";
import { Certificate } from "../../../src/dtls/certificate.ts";
import { ControllingAgent } from "../../../src/ice/controlling.ts";
import {
  BINDING_ERROR,
  BINDING_REQUEST,
  BINDING_SUCCESS,
  errorCodeOf,
  hasUsername,
  localUfragOf,
  META_DTLS_IN_STUN,
  parseStun,
  STUN_HEADER_BYTES,
  verifyFingerprint,
  verifyIntegrity,
  xorMappedAddress,
} from "../../../src/ice/stun.ts";
import { writeBindingRequest, writeBindingSuccess, writeStun } from "../../../src/ice/stun-write.ts";
import { DEFAULT_ASSOCIATION_LIMITS, DEFAULT_ENDPOINT_LIMITS } from "../../../src/limits.ts";
import { concatBytes } from "../../../src/wire/bytes.ts";
import { Random } from "../../sim/random.ts";
import { SAMPLE_IPV4_RESPONSE, SAMPLE_IPV6_RESPONSE, SAMPLE_REQUEST, TRANSACTION_ID } from "../../vectors/rfc5769.ts";
import { recordedHellos } from "../support/dtls.ts";
import { readField } from "../support/variants.ts";
import { bytesOf, type CoverageTarget, runTimers } from "./target.ts";

const SERVER = { address: "203.0.113.7", port: 42424 };
const SOURCE = { address: "198.51.100.4", port: 50_000 };
const UFRAG = "5qfx";
const CLIENT = { ufrag: UFRAG, pwd: "c".repeat(24) };
const MESSAGE_TYPES = [BINDING_REQUEST, BINDING_SUCCESS, BINDING_ERROR, 0x0011];

/** What the first byte of an input says: who gets the rest, and how much of it the sender got right. */
const MODES = ["raw", "fingerprint", "password", "client-raw", "client-password"] as const;

/** Of the second byte, where attributes are sealed: the type of the message. */
const HEADER_BYTES = 2;

/**
 * STUN in both roles. To an endpoint with one pending session: datagrams as they are, attributes under a right FINGERPRINT, and
 * attributes under the session's own password. To the agent of a client: datagrams, and attributes under the server's password.
 */
export function stunTarget(): CoverageTarget {
  const server = new ServerSide();
  return {
    name: "stun",
    covers: [
      "ice/stun.ts",
      "ice/stun-write.ts",
      "ice/lite.ts",
      "ice/sped.ts",
      "ice/controlling.ts",
      "core/endpoint.ts",
    ],
    seeds: seeds(),
    run(input) {
      const mode = MODES[(input[0] ?? 0) % MODES.length];
      if (mode === "client-raw" || mode === "client-password") runClient(mode, input.subarray(1));
      else server.run(mode, input.subarray(1));
    },
  };
}

class ServerSide {
  #random = new Random("stun");
  #sentBytes = 0;
  readonly #endpoint = new Endpoint(
    {
      certificate: Certificate.generate(),
      limits: { ...DEFAULT_ENDPOINT_LIMITS, ...DEFAULT_ASSOCIATION_LIMITS, maxConnections: 8, maxHandshakes: 8 },
      random: (length) => this.#random.bytes(length),
    },
    {
      transmit: (datagram) => {
        this.#sentBytes += datagram.length;
      },
      opened: () => assert.fail("opened without a handshake"),
      message: () => assert.fail("a message without a handshake"),
      closed: () => {},
    },
  );

  run(mode: "raw" | "fingerprint" | "password", content: Uint8Array): void {
    // The same credentials each time.
    this.#random = new Random("stun");
    this.#sentBytes = 0;
    const endpoint = this.#endpoint;
    const fingerprint = new Uint8Array(32);
    const remote = { ufrag: UFRAG, fingerprint, sctpPort: 5000, maxMessageBytes: 0, sped: true };
    const session = endpoint.createSession(0, remote);
    assert(session !== undefined, "no room for a session");
    const key = mode === "password" ? bytesOf(session.localPwd) : undefined;
    const username = `${session.localUfrag}:${UFRAG}`;
    const datagram = mode === "raw" ? content : sealed(content, username, key);
    for (let i = 0; i < 2; i++) endpoint.handleDatagram(i, SOURCE, datagram);
    endpoint.flush(2);
    if (mode !== "password") {
      assert.equal(endpoint.connectionCount, 0, "a connection without the password");
      assert.equal(this.#sentBytes, 0, "an answer without the password");
    }
    readEverything(datagram);
    assert(this.#sentBytes <= 4_096 + 6 * datagram.length, "more out than an unproven address may get");
    runTimers(endpoint, 1e9, (now) => endpoint.flush(now));
    assert.equal(endpoint.connectionCount + endpoint.pendingSessionCount + endpoint.handshakeCount, 0);
    assert.equal(endpoint.datapath.freeKeySlots, endpoint.datapath.keySlots, "keys of a connection that has ended");
  }
}

function runClient(mode: "client-raw" | "client-password", content: Uint8Array): void {
  const sent: Uint8Array[] = [];
  let selected = 0;
  const agent = new ControllingAgent(
    {
      local: CLIENT,
      remote: { ufrag: "localufr", pwd: "p".repeat(24) },
      candidates: [SERVER, SOURCE],
      random: new Random("agent").bytes,
    },
    { transmit: (datagram) => sent.push(datagram.slice()), selected: () => selected++ },
  );
  agent.start(0);
  const key = bytesOf("p".repeat(24));
  const datagram =
    mode === "client-raw" ? content : sealed(content, `${UFRAG}:localufr`, key, sent[0].subarray(8, STUN_HEADER_BYTES));
  for (let i = 0; i < 2; i++) agent.handleDatagram(i, SERVER, datagram);
  if (mode === "client-raw") assert.equal(selected, 0, "a path without the password");
  assert(selected <= 1 && sent.length <= 4);
  readEverything(datagram);
  for (let i = 0, now = 0; i < 50; i++) {
    now = agent.nextDeadline;
    agent.handleTimeout(now);
    assert(agent.nextDeadline > now, "a deadline that does not move on");
  }
}

/** A message of attributes as the input has them, with all that makes it look right added. */
function sealed(content: Uint8Array, username: string, key?: Uint8Array, transactionId = TRANSACTION_ID): Uint8Array {
  const type = MESSAGE_TYPES[(content[0] ?? 0) % MESSAGE_TYPES.length];
  const attributes = [{ type: 0x0006, value: bytesOf(username) }];
  for (let at = 1; at + 4 <= content.length && attributes.length < 100; ) {
    const end = at + 4 + readField(content, at + 2, 2);
    attributes.push({ type: readField(content, at, 2), value: content.subarray(at + 4, end) });
    at = end;
  }
  return writeStun(type, transactionId, attributes, key);
}

/** Everything that anybody does with a datagram of unknown origin. */
function readEverything(datagram: Uint8Array): void {
  const message = parseStun(datagram);
  if (typeof message === "string") return;
  hasUsername(message, "localufr", UFRAG);
  localUfragOf(message);
  xorMappedAddress(message);
  errorCodeOf(message);
  verifyFingerprint(message);
  verifyIntegrity(message, bytesOf("p".repeat(24)));
  for (const { value } of message.attributes) {
    const at: number = value.byteOffset - message.bytes.byteOffset;
    assert.equal(value.length, readField(message.bytes, at - 2, 2), "an attribute past the end of its message");
  }
}

function seeds(): Uint8Array[] {
  const check = writeBindingRequest({
    transactionId: TRANSACTION_ID,
    username: `localufr:${UFRAG}`,
    key: bytesOf("p".repeat(24)),
    priority: 0x6e001eff,
    tieBreaker: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
    role: "controlling",
    useCandidate: true,
    extra: [{ type: META_DTLS_IN_STUN, value: recordedHellos("firefox")[0].subarray(0, 600) }],
  });
  const answer = writeBindingSuccess(TRANSACTION_ID, SOURCE, bytesOf("p".repeat(24)));
  const raw = [check, SAMPLE_REQUEST, SAMPLE_IPV4_RESPONSE, SAMPLE_IPV6_RESPONSE, answer];
  const withMode = (mode: number, bytes: Uint8Array) => concatBytes(Uint8Array.of(mode), bytes);
  const attributes = raw.map((bytes) => bytes.subarray(STUN_HEADER_BYTES));
  return [
    ...raw.flatMap((bytes) => [withMode(0, bytes), withMode(3, bytes)]),
    ...attributes.flatMap((bytes) =>
      [1, 2, 4].map((mode) => withMode(mode, concatBytes(Uint8Array.of(mode >>> 2), bytes))),
    ),
  ].map((seed) => seed.slice(0, MAX_SEED_BYTES + HEADER_BYTES));
}

const MAX_SEED_BYTES = 1_200;

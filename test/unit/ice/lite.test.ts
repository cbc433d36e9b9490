import { expect, test } from "vitest";
import { generateCredentials } from "../../../src/ice/credentials.ts";
import { answerCheck, successResponse, type CheckOutcome, type LiteSession } from "../../../src/ice/lite.ts";
import {
  attributeValue,
  BINDING_ERROR,
  BINDING_SUCCESS,
  errorCodeOf,
  META_DTLS_IN_STUN_ACK,
  parseBindingRequest,
  parseStun,
  type StunMessage,
  verifyFingerprint,
  verifyIntegrity,
  xorMappedAddress,
} from "../../../src/ice/stun.ts";
import { type BindingRequest, writeBindingRequest } from "../../../src/ice/stun-write.ts";
import { Datapath } from "../../../src/wasm/datapath.ts";
import { toHex } from "../../../src/wire/bytes.ts";
import { PASSWORD, SAMPLE_REQUEST, TRANSACTION_ID } from "../../vectors/rfc5769.ts";

const session: LiteSession = { localUfrag: "local+/1", localPwd: "p".repeat(24), remoteUfrag: "5qfx" };
const datapath = new Datapath({ keySlots: 1 });
const key = new TextEncoder().encode(session.localPwd);
const source = { address: "198.51.100.4", port: 50000 };

function check(changes: Partial<BindingRequest> = {}): Uint8Array {
  return writeBindingRequest({
    transactionId: TRANSACTION_ID,
    username: "local+/1:5qfx",
    key,
    priority: 0x6e001eff,
    tieBreaker: new Uint8Array(8),
    role: "controlling",
    useCandidate: false,
    ...changes,
  });
}

function answer(bytes: Uint8Array): CheckOutcome {
  const request = parseBindingRequest(bytes);
  if (typeof request === "string") throw new Error(request);
  return answerCheck(session, request, source, datapath);
}

function responseOf(outcome: CheckOutcome): StunMessage {
  if (outcome.kind === "drop") throw new Error(`dropped: ${outcome.reason}`);
  const response = parseStun(outcome.response);
  if (typeof response === "string") throw new Error(response);
  expect(verifyFingerprint(response)).toBe(true);
  expect(verifyIntegrity(response, key)).toBe(true);
  expect(toHex(response.transactionId)).toBe(toHex(TRANSACTION_ID));
  return response;
}

test("a verified check is accepted and answered with the address it came from", () => {
  const outcome = answer(check());
  expect(outcome).toMatchObject({ kind: "accept", nominated: false });
  const response = responseOf(outcome);
  expect(response.type).toBe(BINDING_SUCCESS);
  expect(xorMappedAddress(response)).toEqual(source);
});

test("USE-CANDIDATE nominates", () => {
  expect(answer(check({ useCandidate: true }))).toMatchObject({ kind: "accept", nominated: true });
});

test("the same check answered twice gives the same bytes", () => {
  const [first, second] = [answer(check()), answer(check())];
  expect(toHex(responseOf(first).bytes)).toBe(toHex(responseOf(second).bytes));
});

test("a check under another password is dropped without an answer", () => {
  const outcome = answer(check({ key: new TextEncoder().encode("q".repeat(24)) }));
  expect(outcome).toEqual({ kind: "drop", reason: "stun-bad-integrity" });
});

test("a check with another user name is dropped before any HMAC", () => {
  for (const username of ["local+/1:other", "other:5qfx", "local+/1:5qfx:", "local+/1:", "5qfx:local+/1"]) {
    expect(answer(check({ username }))).toEqual({ kind: "drop", reason: "stun-unknown-ufrag" });
  }
});

test("an unknown attribute that must be understood is refused with 420, after the integrity check only", () => {
  const extra = [{ type: 0x7fff, value: new Uint8Array(0) }];
  const response = responseOf(answer(check({ extra })));
  expect(response.type).toBe(BINDING_ERROR);
  expect(errorCodeOf(response)).toBe(420);
  expect(toHex(attributeValue(response, 0x000a)!)).toBe("7fff");
  expect(answer(check({ extra, key: new Uint8Array(24) }))).toMatchObject({ kind: "drop" });
});

test("a peer that claims the controlled role is refused with 487", () => {
  const outcome = answer(check({ role: "controlled" }));
  expect(outcome.kind).toBe("refuse");
  expect(errorCodeOf(responseOf(outcome))).toBe(487);
});

test("the sample request of RFC 5769, of a controlled agent, verifies and is refused with 487", () => {
  const request = parseBindingRequest(SAMPLE_REQUEST) as StunMessage;
  const outcome = answerCheck(
    { localUfrag: "evtj", localPwd: PASSWORD, remoteUfrag: "h6vY" },
    request,
    source,
    datapath,
  );
  expect(outcome.kind).toBe("refuse");
});

test("attributes handed in ride in the success response", () => {
  const extra = [{ type: META_DTLS_IN_STUN_ACK, value: Uint8Array.of(1, 2, 3, 4) }];
  const request = parseBindingRequest(check());
  if (typeof request === "string") throw new Error(request);
  const response = parseStun(successResponse(session, request, source, extra, datapath));
  if (typeof response === "string") throw new Error(response);
  expect(verifyIntegrity(response, key)).toBe(true);
  expect(toHex(attributeValue(response, META_DTLS_IN_STUN_ACK)!)).toBe("01020304");
});

test("an answer is never longer than three times the check", () => {
  const unknown = Array.from({ length: 50 }, (_, i) => ({ type: 0x7000 + i, value: new Uint8Array(0) }));
  for (const extra of [[], unknown.slice(0, 1), unknown]) {
    for (const role of ["controlling", "controlled"] as const) {
      const bytes = check({ extra, role });
      expect(responseOf(answer(bytes)).bytes.length).toBeLessThanOrEqual(3 * bytes.length);
    }
  }
});

test("credentials are ice-chars from the random source, 8 and 24 of them", () => {
  let next = 0;
  const everyByte = generateCredentials((length) => Uint8Array.from({ length }, () => next++ * 2));
  expect(everyByte).toEqual({ ufrag: "ACEGIKMO", pwd: "QSUWYacegikmoqsuwy02468+" });
  const last = generateCredentials((length) => new Uint8Array(length).fill(255));
  expect(last).toEqual({ ufrag: "////////", pwd: "/".repeat(24) });
});

/** The answer to `use_srtp` (RFC 5764 §4.1.1), without which pion, aiortc and werift end the handshake. */
import { describe, expect, it } from "vitest";
import { answerUseSrtp, EXTENSION_USE_SRTP, type Extensions } from "../../../src/dtls/extensions.ts";
import type { HandshakeMessage } from "../../../src/dtls/reassembly.ts";
import type { DtlsVersion } from "../../../src/dtls/machine.ts";
import {
  CLIENT_HELLO,
  ENCRYPTED_EXTENSIONS,
  encodeClientHello,
  parseClientHello,
  parseEncryptedExtensions,
  parseServerHello,
  SERVER_HELLO,
} from "../../../src/dtls/messages.ts";
import { fromHex } from "../../../src/wire/bytes.ts";
import { Side } from "./machine-side.ts";

describe("use_srtp", () => {
  it("is answered with the first profile and no MKI", () => {
    expect(answerUseSrtp(fromHex("0006 0007 0008 0001 00".replaceAll(" ", "")))).toEqual(fromHex("0002000700"));
    expect(answerUseSrtp(fromHex("0002 0001 02 abcd".replaceAll(" ", "")))).toEqual(fromHex("0002000100"));
  });

  it("is not answered where it was not offered, names no profile or is malformed", () => {
    expect(answerUseSrtp(undefined)).toBeUndefined();
    for (const hex of [
      "",
      "00",
      "000000",
      "0001 07 00",
      "0003 000700 00",
      "0002 0007",
      "0002 0007 00 00",
      "0004 0007 00",
    ]) {
      expect(answerUseSrtp(fromHex(hex.replaceAll(" ", ""))), hex).toBeUndefined();
    }
  });
});

describe.each<DtlsVersion>(["1.2", "1.3"])("a server of DTLS %s", (version) => {
  /** What the server says to a client whose hello has this `use_srtp`. */
  const answerTo = (offered: Uint8Array | undefined): Extensions => {
    const client = new Side("client", version);
    client.machine.start?.();
    const [message] = client.out;
    const hello = parseClientHello(message.body)!;
    const extensions = new Map(hello.extensions);
    if (offered !== undefined) extensions.set(EXTENSION_USE_SRTP, offered);
    const server = new Side("server", version);
    server.take([{ ...message, type: CLIENT_HELLO, body: encodeClientHello({ ...hello, extensions }) }]);
    const say = (type: number) => server.out.find((sent: HandshakeMessage) => sent.type === type)!.body;
    // RFC 8446 §4.2: in 1.3 the extension belongs in EncryptedExtensions.
    return version === "1.2"
      ? parseServerHello(say(SERVER_HELLO))!.extensions
      : parseEncryptedExtensions(say(ENCRYPTED_EXTENSIONS))!;
  };

  it("chooses the first SRTP profile of a client that offers any", () => {
    expect(answerTo(fromHex("00040007000100")).get(EXTENSION_USE_SRTP)).toEqual(fromHex("0002000700"));
  });

  it("says nothing of SRTP to a client that does not", () => {
    expect(answerTo(undefined).has(EXTENSION_USE_SRTP)).toBe(false);
  });
});

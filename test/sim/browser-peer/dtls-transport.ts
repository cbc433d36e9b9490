import { sha256 } from "../../../src/crypto/platform.ts";
import type { Certificate } from "../../../src/dtls/certificate.ts";
import { DtlsConnection } from "../../../src/dtls/connection.ts";
import type { Datapath } from "../../../src/wasm/datapath.ts";
import { equalBytes } from "../../../src/wire/bytes.ts";
import type { Random } from "../random.ts";
import type { BrowserProfile } from "./profile.ts";
import type { SecureTransportFactory } from "./secure-transport.ts";

export interface DtlsTransportOptions {
  profile: BrowserProfile;
  random: Random;
  certificate: Certificate;
  datapath: Datapath;
  /** SHA-256 of the server's certificate, as its answer says. */
  serverFingerprint: Uint8Array;
}

/** DTLS as a client, by the product's own client role with the browser's timers. */
export function dtlsTransport(options: DtlsTransportOptions): SecureTransportFactory {
  const { profile, random, certificate, datapath, serverFingerprint } = options;
  return (events) => {
    let now = 0;
    let isStarted = false;
    const dtls = new DtlsConnection(
      {
        role: "client",
        certificate,
        datapath,
        versions: ["1.3", "1.2"],
        mtuBytes: profile.dtls.mtuBytes,
        initialTimeoutMs: profile.dtls.retransmitMs,
        random: random.bytes,
        verifyPeerCertificate: (der) => equalBytes(sha256(der), serverFingerprint),
      },
      {
        transmit: (datagram) => events.transmit(datagram),
        connected: () => events.connected(now),
        applicationData: (packet) => events.packet(now, packet),
        closed: () => events.closed(now),
      },
    );
    const at = (time: number): void => {
      now = time;
    };
    return {
      get nextDeadline() {
        return dtls.nextDeadline;
      },
      start(time) {
        at(time);
        isStarted = true;
        dtls.start(time);
      },
      handleDatagram(time, datagram) {
        at(time);
        // A browser drops what comes before it has begun.
        if (isStarted) dtls.handleDatagram(time, datagram);
      },
      send(time, packet) {
        dtls.send(time, packet);
      },
      close(time) {
        at(time);
        dtls.close(time);
      },
      handleTimeout(time) {
        at(time);
        dtls.handleTimeout(time);
      },
    };
  };
}

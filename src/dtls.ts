/**
 * The DTLS layer by itself, for a harness with its own clock and network: datagrams, the time and application data go in;
 * datagrams, application data, state changes and the next deadline come out.
 *
 * @example
 * const datapath = new Datapath({ keySlots: 8 });
 * const options = { role: "server", certificate: Certificate.generate(), datapath, verifyPeerCertificate: () => true };
 * const server = new DtlsConnection(options, { transmit, applicationData, connected, closed });
 * server.handleDatagram(now, datagram);
 * if (now >= server.nextDeadline) server.handleTimeout(now);
 */
export { type AlertDescription, alertName } from "./dtls/alert.ts";
export { Certificate, type CertificateOptions } from "./dtls/certificate.ts";
export { DtlsConnection, type DtlsState, type DtlsVersion } from "./dtls/connection.ts";
export type { DtlsCloseReason, DtlsEvents, DtlsOptions } from "./dtls/options.ts";
export { Datapath, type DatapathOptions } from "./wasm/datapath.ts";
export { DropCounters, type DropReason } from "./wire/drops.ts";

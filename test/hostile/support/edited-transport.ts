import type { SecureTransportFactory } from "../../sim/browser-peer/secure-transport.ts";

/** A transport that passes each SCTP packet through `edit` before it is encrypted. */
export function edited(
  plain: SecureTransportFactory,
  edit: (packet: Uint8Array) => Uint8Array[],
): SecureTransportFactory {
  return (events) => {
    const transport = plain(events);
    return {
      get nextDeadline() {
        return transport.nextDeadline;
      },
      start: (now) => transport.start(now),
      handleDatagram: (now, datagram) => transport.handleDatagram(now, datagram),
      send: (now, packet) => {
        for (const result of edit(packet)) if (result.length <= 1_150) transport.send(now, result);
      },
      close: (now) => transport.close(now),
      handleTimeout: (now) => transport.handleTimeout(now),
    };
  };
}

/**
 * Writes a capture that Wireshark reads: classic pcap, raw IPv4, each UDP datagram with the headers it travelled under on
 * loopback and a right UDP checksum. Made from what a proxy saw, so that no right to capture is needed.
 */
import { ipPacket } from "../../src/trace/ip.ts";
import { ByteWriter } from "../../src/wire/bytes.ts";

const PCAP_MAGIC = 0xa1b2c3d4;
/** LINKTYPE_RAW: each packet begins with its IP header. */
const LINKTYPE_RAW = 101;
const MAX_PACKET_BYTES = 65_535;
const LOOPBACK = "127.0.0.1";

export class PcapWriter {
  readonly #started = performance.now();
  readonly #writer = new ByteWriter(65_536);

  constructor() {
    this.#writer.u32(PCAP_MAGIC).u16(2).u16(4).u32(0).u32(0).u32(MAX_PACKET_BYTES).u32(LINKTYPE_RAW);
  }

  /** Fits `DatagramTap`. */
  readonly add = (datagram: Uint8Array, from: number, to: number): void => {
    const microseconds = Math.round((performance.now() - this.#started) * 1_000);
    const packet = ipPacket({ address: LOOPBACK, port: from }, { address: LOOPBACK, port: to }, datagram);
    this.#writer
      .u32(Math.floor(microseconds / 1_000_000))
      .u32(microseconds % 1_000_000)
      .u32(packet.length)
      .u32(packet.length)
      .bytes(packet);
  };

  finish(): Uint8Array {
    return this.#writer.finish();
  }
}

/** The data channel that the benchmarks' clients open (RFC 8832). */
export const PPID_DCEP = 50;
export const PPID_BINARY = 53;
export const DCEP_ACK = 0x02;
/** DATA_CHANNEL_OPEN (§5.1): unordered, no retransmission, label "data". */
export const DCEP_OPEN = Uint8Array.of(0x03, 0x81, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0x64, 0x61, 0x74, 0x61);

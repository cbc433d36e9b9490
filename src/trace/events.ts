/**
 * The events of a trace and the fields of their data; `docs/trace.md` explains them, and a test compares the two. Names are those of
 * qlog: a namespace, a colon, what happened.
 */
export const TRACE_EVENTS = {
  "connection:started": ["state", "local", "remote"],
  "connection:state_changed": ["old", "new"],
  "connection:path_changed": ["old", "new"],
  "connection:dropped": ["reason", "count"],
  "connection:closed": ["reason"],
  "udp:datagram_received": ["from", "protocol", "length"],
  "udp:datagram_sent": ["to", "protocol", "length"],
  "dtls:negotiated": ["version", "cipher_suite", "group"],
  "dtls:closed": ["cause", "alert"],
  "sctp:association_established": ["max_message_size"],
  "sctp:packet_received": ["length", "chunks"],
  "sctp:packet_sent": ["length", "chunks"],
  "sctp:metrics_updated": [
    "smoothed_rtt",
    "congestion_window",
    "bytes_in_flight",
    "bytes_queued",
    "retransmissions",
    "abandoned_messages",
    "dropped_messages",
  ],
  "recovery:timer_expired": ["timers"],
  "channel:opened": ["id", "label", "protocol", "ordered", "max_retransmits", "max_packet_life_time", "negotiated"],
  "channel:closed": ["id", "label"],
  "trace:ended": ["reason"],
} as const;

export type TraceEventName = keyof typeof TRACE_EVENTS;

/** Fields that an event does not need are left out. */
export type TraceEventData<Name extends TraceEventName> = { [Field in (typeof TRACE_EVENTS)[Name][number]]?: unknown };

/** Why a trace ended: with the connection, because somebody wanted it to, or at `maxTraceBytes`. */
export type TraceEnd = "closed" | "stopped" | "limit";

/**
 * The first line: the header of a file of qlog's JSON text sequences (draft-ietf-quic-qlog-main-schema-13, §5).
 *
 * @param id how the connection is called
 */
export function qlogHeader(role: "client" | "server", id: string): string {
  return JSON.stringify({
    file_schema: "urn:ietf:params:qlog:file:sequential",
    serialization_format: "application/qlog+json-seq",
    title: `webrtc-datagram connection ${id}`,
    trace: {
      common_fields: {
        group_id: id,
        time_format: "relative_to_epoch",
        reference_time: { clock_type: "system", epoch: "1970-01-01T00:00:00.000Z" },
      },
      vantage_point: { name: "webrtc-datagram", type: role },
      event_schemas: ["urn:webrtc-datagram:qlog:events:1"],
    },
  });
}

/** @param timeUs wall clock, µs since 1970 */
export function qlogEvent<Name extends TraceEventName>(timeUs: number, name: Name, data: TraceEventData<Name>): string {
  return JSON.stringify({ time: timeUs / 1_000, name, data });
}

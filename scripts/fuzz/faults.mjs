/** Faults that `npm run fuzz -- --self-test` puts in: `find` must occur once in `file`, which a test looks after. */
export const FAULTS = [
  {
    name: "length",
    what: "a STUN attribute may run past the end of its message",
    target: "stun",
    file: "src/ice/stun.ts",
    find: "if (end > bytes.length || fingerprintOffset >= 0",
    replace: "if (fingerprintOffset >= 0",
  },
  {
    name: "bound",
    what: "reassembly holds whatever comes",
    target: "sctp",
    file: "src/sctp/reassembly.ts",
    find: "const held = this.#heldBytes + length;",
    replace: "const held = 0 * length;\n    if (held < receiveWindowBytes) return true;",
  },
  {
    name: "throw",
    what: "an OPEN whose label is not UTF-8 throws",
    target: "dcep",
    file: "src/channel/dcep.ts",
    find: "  try {\n    return decoder.decode(bytes);\n  } catch {\n    return undefined;\n  }",
    replace: "  return decoder.decode(bytes);",
  },
];

import { describe, expect, test } from "vitest";
import {
  checkListenOptions,
  checkNegotiatedChannels,
  DEFAULT_LIMITS,
  type ListenOptions,
  parsePublicAddress,
  resolveLimits,
} from "../../../src/server/options.ts";

describe("wrong options throw an error that names the option", () => {
  const cases: [string, unknown, string][] = [
    ["a port over 65535", { port: 65_536 }, "port must be an integer from 0 to 65535, not 65536"],
    ["a negative port", { port: -1 }, "port must be"],
    ["a port in text", { port: "80" }, "port must be"],
    ["a host name", { address: "localhost" }, 'address must be an IP address, not "localhost"'],
    ["no public address", { publicAddresses: [] }, "publicAddresses must be an array with at least one"],
    ["a public host name", { publicAddresses: ["game.example:1"] }, '"game.example:1" is not an IP address'],
    ["a public port of 0", { publicAddresses: ["192.0.2.1:0"] }, "the port must be an integer from 1"],
    ["a certificate of another kind", { certificate: {} }, "certificate must be a Certificate"],
    ["a handler that is no function", { onMessage: 1 }, "onMessage must be a function"],
    ["a key log that is no function", { keyLog: "file" }, "keyLog must be a function"],
    ["a trace that is no function", { trace: "file" }, "trace must be a function"],
    ["null", null, "options must be an object"],
  ];
  test.each(cases)("%s", (_, options, message) => {
    expect(() => checkListenOptions(options as ListenOptions)).toThrow(message);
  });
});

describe("wrong negotiated channels are found before anybody connects", () => {
  const cases: [string, unknown, string][] = [
    ["none at all", "fast", "negotiatedChannels must be an array"],
    [
      "a stream that there is not",
      [{ label: "a", id: 1024 }],
      "negotiatedChannels: id must be an integer from 0 to 1023",
    ],
    ["no stream", [{ label: "a" }], "negotiatedChannels: id must be given"],
    [
      "one stream twice",
      [
        { label: "a", id: 1 },
        { label: "b", id: 1 },
      ],
      "negotiatedChannels: id 1 is in use",
    ],
    ["a label that is no text", [{ label: 1, id: 1 }], "negotiatedChannels: label must be a string"],
  ];
  test.each(cases)("%s", (_, channels, message) => {
    expect(() => checkNegotiatedChannels(channels as never, DEFAULT_LIMITS)).toThrow(message);
  });
});

describe("wrong limits throw an error that names the limit and its range", () => {
  test("an unknown one", () => {
    expect(() => resolveLimits({ maxConections: 1 } as never)).toThrow("limits.maxConections is not a limit");
  });
  test("one out of range", () => {
    expect(() => resolveLimits({ mtuBytes: 9000 })).toThrow(
      "limits.mtuBytes must be an integer from 256 to 1472, not 9000",
    );
  });
  test("one of another type", () => {
    expect(() => resolveLimits({ idleTimeoutMs: "10" as never })).toThrow("limits.idleTimeoutMs must be a number");
  });
  test("one that is not whole", () => {
    expect(() => resolveLimits({ maxConnections: 1.5 })).toThrow(RangeError);
  });
});

describe("limits that contradict each other are refused, and both are named", () => {
  test.each([
    [
      { receiveWindowBytes: 65_535 },
      "limits.receiveWindowBytes must be at least 65536, not 65535: a message of limits.maxM",
    ],
    [{ maxMessageBytes: 300_000, receiveWindowBytes: 262_144 }, "limits.receiveWindowBytes must be at least 300000"],
    [
      { maxMessageBytes: 300_000, maxReassemblyChunks: 500 },
      "limits.maxReassemblyChunks must be at least 586, not 500",
    ],
    [
      { receiveWindowBytes: 5_000_000 },
      "limits.maxMemoryBytesPerConnection must be at least 5000000, not 4194304: a window",
    ],
    [{ maxMessageBytes: 5_000_000 }, "limits.maxMemoryBytesPerConnection must be at least 5000000"],
    [
      { receiveWindowBytes: 3_000_000, maxMemoryBytes: 2_000_000 },
      "limits.maxMemoryBytes must be at least 3000000, not 2000000",
    ],
  ])("%j", (limits, message) => {
    expect(() => resolveLimits(limits)).toThrow(RangeError);
    expect(() => resolveLimits(limits)).toThrow(message);
  });
});

test("a larger maxMessageBytes raises what it needs, where that is not given", () => {
  expect(resolveLimits({ maxMessageBytes: 1_000_000 })).toMatchObject({
    receiveWindowBytes: 1_000_000,
    maxReassemblyChunks: 1_954,
  });
  expect(resolveLimits({ maxMessageBytes: 1_000 })).toMatchObject({
    receiveWindowBytes: DEFAULT_LIMITS.receiveWindowBytes,
    maxReassemblyChunks: DEFAULT_LIMITS.maxReassemblyChunks,
  });
});

test("limits that are left out or undefined have their defaults", () => {
  expect(resolveLimits({ idleTimeoutMs: 5_000, mtuBytes: undefined as never })).toMatchObject({
    idleTimeoutMs: 5_000,
    mtuBytes: 1_200,
  });
});

test("public addresses are read with and without a port, IPv4 and IPv6", () => {
  expect(parsePublicAddress("203.0.113.7:42424", 1)).toEqual({ address: "203.0.113.7", port: 42_424 });
  expect(parsePublicAddress("203.0.113.7", 9)).toEqual({ address: "203.0.113.7", port: 9 });
  expect(parsePublicAddress("[2001:db8::1]:5", 9)).toEqual({ address: "2001:db8::1", port: 5 });
  expect(parsePublicAddress("[2001:db8::1]", 9)).toEqual({ address: "2001:db8::1", port: 9 });
  expect(parsePublicAddress("2001:db8::1", 9)).toEqual({ address: "2001:db8::1", port: 9 });
});

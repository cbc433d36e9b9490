#!/usr/bin/env node
import { CONDITION_USAGE } from "./cli/conditions.ts";
import { echoServer } from "./cli/echo-server.ts";
import { LOAD_USAGE, load } from "./cli/load.ts";
import { UsageError } from "./cli/usage.ts";

const USAGE = `webrtc-datagram: UDP-like messages between browsers and a JavaScript server

Usage: webrtc-datagram COMMAND [OPTIONS]

Commands
  echo-server   sends every message back; serves a page that shows it
    --data ADDR:PORT     UDP, for messages (default: all interfaces, port 42424)
    --http ADDR:PORT     TCP, for signalling and the page (default: all interfaces, port 8080)
    --public ADDR[:PORT] where browsers reach --data; may be repeated
                         (default: this machine's own addresses)
    --trace PATH         what happens in the first session, keys and contents included:
                         PATH.pcapng for Wireshark, PATH.sqlog with one event a line
${CONDITION_USAGE}
${LOAD_USAGE}
                         and a bad network, as above
  help          this text
  version       the version of this package
`;

async function main(args: string[]): Promise<void> {
  const [command, ...rest] = args;
  if (rest.includes("--help") || rest.includes("-h")) return console.log(USAGE);
  switch (command) {
    case "echo-server":
      return echoServer(rest);
    case "load":
      return load(rest);
    case "version":
    case "--version":
      return console.log(await version());
    case undefined:
    case "help":
    case "--help":
    case "-h":
      return console.log(USAGE);
    default:
      throw new UsageError(`unknown command ${JSON.stringify(command)}; try: webrtc-datagram help`);
  }
}

async function version(): Promise<string> {
  const { readFile } = await import("node:fs/promises");
  const text = await readFile(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  console.error(`webrtc-datagram: ${message}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

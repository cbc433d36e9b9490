/** The servers of a scenario, and their turns. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ServerProcess } from "./server-process.mjs";

export const BARE = "bare";
export const OURS = "webrtc-datagram";
export const PEERS = ["node-datachannel", "werift", "roamhq-wrtc", "ws"];

const packages = { "roamhq-wrtc": "@roamhq/wrtc" };

/** Peers whose npm package is installed in bench/peers. */
export function installedPeers() {
  return PEERS.filter((name) =>
    existsSync(fileURLToPath(new URL(`../peers/node_modules/${packages[name] ?? name}`, import.meta.url))),
  );
}

/** Starts these servers; one that cannot start is left out, with a sentence. */
export async function startServers(names) {
  const servers = [];
  for (const name of names) {
    try {
      servers.push(await ServerProcess.start(name));
    } catch (error) {
      console.error(`${name} is left out: ${error.message}`);
    }
  }
  return servers;
}

/**
 * Runs `once` for each server in turn, `rounds` times: what changes on the machine meanwhile meets all of them alike.
 *
 * @param {(server: any) => boolean} [takesPart] in a round, by server and round
 * @returns {Promise<Map<string, any[]>>} outcomes by the server's name
 */
export async function inTurns(servers, rounds, once, takesPart = () => true) {
  const outcomes = new Map(servers.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const server of servers) if (takesPart(server, round)) outcomes.get(server.name).push(await once(server));
  }
  return outcomes;
}

/** Peers run in fewer rounds: they are there for orientation, not for a verdict. */
export function peersRestAfter(rounds) {
  return ({ name }, round) => name === BARE || name === OURS || round < rounds;
}

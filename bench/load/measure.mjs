/** What one run of traffic cost the server. */

/**
 * Runs `traffic` and divides the CPU time that the server's process used meanwhile by the messages that came back.
 *
 * @param {{ cpuUs(): Promise<number> }} server
 * @param {{ datagramsSent: number, datagramsReceived: number }[]} clients
 * @param {() => Promise<{ echoes: number }>} traffic
 */
export async function measure(server, clients, traffic) {
  const datagramsBefore = datagramsOf(clients);
  const ownBefore = process.cpuUsage();
  const startedAt = performance.now();
  const cpuBefore = await server.cpuUs();
  const outcome = await traffic();
  const cpuUs = (await server.cpuUs()) - cpuBefore;
  const wallUs = (performance.now() - startedAt) * 1000;
  const own = process.cpuUsage(ownBefore);
  return {
    ...outcome,
    cpuUs: cpuUs / outcome.echoes,
    seconds: wallUs / 1e6,
    datagrams: (datagramsOf(clients) - datagramsBefore) / outcome.echoes,
    /** How busy the two processes were: a generator that is busier than the server is the bottleneck. */
    serverBusy: cpuUs / wallUs,
    generatorBusy: (own.user + own.system) / wallUs,
  };
}

function datagramsOf(clients) {
  let sum = 0;
  for (const client of clients) sum += client.datagramsSent + client.datagramsReceived;
  return sum;
}

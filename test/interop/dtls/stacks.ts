/** The DTLS stacks that speak 1.2, each as a program of its own: how it is started in either role, and what it can be told. */
import { findCommand } from "../../support/commands.ts";
import { buildPeer as buildMbedtls } from "./mbedtls/build.ts";
import { type CertificateFiles, Program } from "./program.ts";
import { freePort } from "./udp-peer.ts";
import { buildPeer as buildWolfssl } from "./wolfssl/build.ts";

export interface Started {
  readonly program: Program;
  /** Where a server listens. */
  readonly port: number;
}

export interface DtlsStack {
  readonly name: string;
  /** As server it answers a repeated flight of the client with its own last one, as RFC 6347 §4.2.4 demands. */
  readonly repeatsLastFlight: boolean;
  /** Whether the size of its datagrams can be set. */
  readonly hasMtu: boolean;
  /** Starts a server that asks for a certificate, and waits until it listens. */
  server(files: CertificateFiles, mtuBytes?: number): Promise<Started>;
  client(port: number, files: CertificateFiles, mtuBytes?: number): Program;
}

const MTU_BYTES = 1_200;
/** Many start at the same time. */
const START_MS = 30_000;
/** OpenSSL and GnuTLS count the headers of IP and UDP. */
const IP_HEADERS_BYTES = 28;

/** Builds what is in C, and finds the others. Throws one sentence where something is missing. */
export function findStacks(): readonly DtlsStack[] {
  return [openssl(), gnutls(), overC("mbedTLS", buildMbedtls(), true), overC("wolfSSL", buildWolfssl(), false)];
}

export const STACK_NAMES = ["OpenSSL", "GnuTLS", "mbedTLS", "wolfSSL"] as const;

function openssl(): DtlsStack {
  const command = findCommand(["openssl"]);
  const own = ({ certificate, key }: CertificateFiles, mtu: number) => {
    return ["-dtls1_2", "-cert", certificate, "-key", key, "-mtu", `${mtu + IP_HEADERS_BYTES}`];
  };
  return {
    name: "OpenSSL",
    repeatsLastFlight: true,
    hasMtu: true,
    async server(files, mtuBytes = MTU_BYTES) {
      const port = await freePort();
      const listening = ["-accept", `127.0.0.1:${port}`, "-Verify", "1", "-no_ticket"];
      const program = new Program(command, ["s_server", ...own(files, mtuBytes), ...listening]);
      await program.wrote("ACCEPT", START_MS);
      return { program, port };
    },
    client(port, files, mtuBytes = MTU_BYTES) {
      return new Program(command, ["s_client", ...own(files, mtuBytes), "-connect", `127.0.0.1:${port}`]);
    },
  };
}

function gnutls(): DtlsStack {
  const [cli, serv] = [findCommand(["gnutls-cli"]), findCommand(["gnutls-serv"])];
  const own = ({ certificate, key }: CertificateFiles, mtu: number) => {
    const priority = ["--priority", "NORMAL:-VERS-ALL:+VERS-DTLS1.2"];
    const files = ["--x509certfile", certificate, "--x509keyfile", key];
    return ["--udp", ...files, ...priority, "--mtu", `${mtu + IP_HEADERS_BYTES}`];
  };
  return {
    name: "GnuTLS",
    repeatsLastFlight: true,
    hasMtu: true,
    async server(files, mtuBytes = MTU_BYTES) {
      const port = await freePort();
      const listening = ["-p", `${port}`, "--echo", "--require-client-cert"];
      const program = new Program(serv, [...own(files, mtuBytes), ...listening]);
      await program.wrote(/listening on IPv4 0\.0\.0\.0 port \d+\.\.\.done/, START_MS);
      return { program, port };
    },
    client(port, files, mtuBytes = MTU_BYTES) {
      return new Program(cli, [...own(files, mtuBytes), "--insecure", "-p", `${port}`, "127.0.0.1"]);
    },
  };
}

/** One of our own programs over a library. */
function overC(name: string, command: string, hasMtu: boolean): DtlsStack {
  const start = (port: number, { certificate, key, kind }: CertificateFiles, mtu: number) => {
    // A server of wolfSSL that has an RSA certificate asks for RSA certificates, which we have none of.
    const more = hasMtu ? [`${mtu}`] : kind.startsWith("RSA") ? ["optional"] : [];
    return new Program(command, [`${port}`, certificate, key, ...more]);
  };
  return {
    name,
    repeatsLastFlight: name !== "wolfSSL",
    hasMtu,
    async server(files, mtuBytes = MTU_BYTES) {
      const program = start(0, files, mtuBytes);
      await program.wrote(/port \d+\n/, START_MS);
      return { program, port: Number(/port (\d+)/.exec(program.text)?.[1]) };
    },
    client: (port, files, mtuBytes = MTU_BYTES) => start(port, files, mtuBytes),
  };
}

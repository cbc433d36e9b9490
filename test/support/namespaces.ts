/** Network namespaces of a test's own, with cables between them: machines with the addresses that the test says. */
import { execFileSync } from "node:child_process";
import { findCommand } from "./commands.ts";

/** One machine. `lo` is up. */
export class Namespace {
  readonly name: string;

  /** @param label at most four letters: the names of interfaces are short */
  constructor(label: string) {
    this.name = `wd${process.pid}${label}`;
    ip("netns", "add", this.name);
    this.ip("link", "set", "lo", "up");
  }

  /** What stands in front of a command that is to run here. */
  get prefix(): string[] {
    return [findIp(), "netns", "exec", this.name];
  }

  /** `ip` with these arguments, here. */
  ip(...args: string[]): void {
    ip("-n", this.name, ...args);
  }

  /** A cable from an interface here to one of another machine, each with its addresses; both ends are up. */
  connect(own: Plug, other: Namespace, others: Plug): void {
    ip(
      "link",
      "add",
      own.device,
      "netns",
      this.name,
      "type",
      "veth",
      "peer",
      "name",
      others.device,
      "netns",
      other.name,
    );
    this.#setUp(own);
    other.#setUp(others);
  }

  remove(): void {
    ip("netns", "del", this.name);
  }

  #setUp({ device, addresses }: Plug): void {
    // Without a search for duplicates an address of IPv6 can be used at once.
    for (const address of addresses)
      this.ip("addr", "add", address, "dev", device, ...(address.includes(":") ? ["nodad"] : []));
    this.ip("link", "set", device, "up");
  }
}

/** One end of a cable. */
export interface Plug {
  readonly device: string;
  /** With the length of the network's prefix: `192.0.2.1/24`. */
  readonly addresses: readonly string[];
}

function ip(...args: string[]): void {
  try {
    execFileSync(findIp(), args, { stdio: ["ignore", "ignore", "pipe"] });
  } catch (error) {
    const { stderr = "" } = error as { stderr?: Buffer | string };
    throw new Error(
      `ip ${args.join(" ")}: ${String(stderr).trim() || error}. The tests with several networks make network namespaces: they need Linux and root.`,
    );
  }
}

function findIp(): string {
  return findCommand(["ip"]);
}

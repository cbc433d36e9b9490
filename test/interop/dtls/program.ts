import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EventLog } from "../../support/wait.ts";

/** Another implementation as a child process: what it writes is waited for, it is ended by its own id. */
export class Program {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #output = new EventLog<true>();
  #text = "";

  constructor(command: string, args: readonly string[]) {
    this.#child = spawn(command, args, { stdio: "pipe" });
    const collect = (chunk: Buffer) => {
      this.#text += chunk.toString("latin1");
      this.#output.push(true);
    };
    this.#child.stdout.on("data", collect);
    this.#child.stderr.on("data", collect);
    this.#child.on("error", (error) => collect(Buffer.from(String(error))));
    this.#child.stdin.on("error", () => {}); // it ended first
  }

  /** Everything it has written so far. */
  get text(): string {
    return this.#text;
  }

  write(text: string): void {
    this.#child.stdin.write(text);
  }

  async wrote(expected: string | RegExp, timeoutMs = 10_000): Promise<void> {
    const matches = () => (typeof expected === "string" ? this.#text.includes(expected) : expected.test(this.#text));
    if (matches()) return;
    try {
      await this.#output.waitFor(timeoutMs, `"${expected}" in its output`, matches);
    } catch (error) {
      throw new Error(`${error}\n${this.#text}`);
    }
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exited;
  }
}

/** What `openssl genpkey` is told, by kind of key. */
const KEY_OPTIONS = {
  "P-256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
  "P-384": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
  "P-521": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"],
  Ed25519: ["-algorithm", "ED25519"],
  "RSA 1024": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"],
  "RSA 2048": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
  "RSA 3072": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"],
  "RSA 4096": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096"],
} as const;

export type CertificateKind = keyof typeof KEY_OPTIONS;

/** A key and a certificate made by openssl, as files in a folder of their own. */
export class CertificateFiles {
  readonly #folder = mkdtempSync(join(tmpdir(), "dtls-interop-"));
  readonly certificate = join(this.#folder, "certificate.pem");
  readonly key = join(this.#folder, "key.pem");

  readonly kind: CertificateKind;

  constructor(openssl: string, kind: CertificateKind = "P-256") {
    this.kind = kind;
    const run = (...args: string[]) => execFileSync(openssl, args, { stdio: "pipe" });
    run("genpkey", ...KEY_OPTIONS[kind], "-out", this.key);
    run("req", "-x509", "-key", this.key, "-subj", "/CN=theirs", "-days", "2", "-out", this.certificate);
  }

  /** DER of the certificate. */
  get der(): Uint8Array {
    return execFileSync("openssl", ["x509", "-in", this.certificate, "-outform", "DER"]);
  }

  /** Writes a file beside them and returns its path. */
  write(name: string, text: string): string {
    const path = join(this.#folder, name);
    writeFileSync(path, text);
    return path;
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true });
  }
}

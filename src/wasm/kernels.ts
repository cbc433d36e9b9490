import { instantiateSync } from "@assemblyscript/loader";
import { decode as decodeJsc } from "#kernels/jsc";
import { decode as decodeRelaxed } from "#kernels/relaxed";
import { decode as decodeSimd } from "#kernels/simd";

/** The functions of `assembly/index.ts`. Every argument and result is an integer of 32 bits. */
export interface KernelExports {
  initialize(keysOffset: number, keySlots: number): void;
  installKey(slot: number): number;
  installNumberKey(slot: number): number;
  wipeKey(slot: number): number;
  seal12(slot: number, record: number, type: number, high: number, low: number, length: number): number;
  open12(slot: number, record: number, length: number): number;
  seal13(slot: number, header: number, headerLength: number, high: number, low: number, length: number): number;
  open13(slot: number, header: number, headerLength: number, high: number, low: number, length: number): number;
  numberMask(slot: number, ciphertext: number): number;
  sealRaw(slot: number, nonce: number, aad: number, aadLength: number, data: number, length: number): number;
  openRaw(slot: number, nonce: number, aad: number, aadLength: number, data: number, length: number): number;
  encryptBlock(slot: number, offset: number): number;
  crc32c(offset: number, length: number): number;
  parsePacket(offset: number, length: number, acceptZero: number): number;
  finishPacket(offset: number, length: number): void;
  hmacSha1(keyLength: number, data: number, length: number, mac: number): void;
  verifyHmacSha1(keyLength: number, data: number, length: number, mac: number): number;
}

/**
 * `relaxed` uses relaxed SIMD (Node 22+, Deno), `simd` runs wherever WebAssembly SIMD does (Node 20), `jsc` is `relaxed` as
 * JavaScriptCore (Bun) runs it fastest.
 */
export type KernelBuild = "simd" | "relaxed" | "jsc";

const decoders = { simd: decodeSimd, relaxed: decodeRelaxed, jsc: decodeJsc };
const modules: Partial<Record<KernelBuild, WebAssembly.Module>> = {};
let preferred: KernelBuild | undefined;

/** The build this runtime runs fastest. All give the same results. */
export function preferredBuild(): KernelBuild {
  preferred ??= WebAssembly.validate(decodeRelaxed()) ? ("Bun" in globalThis ? "jsc" : "relaxed") : "simd";
  return preferred;
}

/** Instantiates the kernels over `memory`. The module is compiled once per process and build. */
export function instantiateKernels(build: KernelBuild, memory: WebAssembly.Memory): KernelExports {
  const module = modules[build] ?? new WebAssembly.Module(decoders[build]());
  modules[build] = module;
  // The loader's own `exports` wraps every function in a closure with rest arguments; the bare ones cost a tenth.
  const { exports } = instantiateSync(module, { env: { memory } }).instance;
  return exports as unknown as KernelExports;
}

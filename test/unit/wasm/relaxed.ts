// Import this before anything that loads kernels: Node 20 has relaxed SIMD only behind a flag, and all builds are tested
// everywhere.
import { setFlagsFromString } from "node:v8";

if (process.version.startsWith("v20.")) setFlagsFromString("--experimental-wasm-relaxed-simd");

import { defineConfig } from "vitest/config";

const TEST_FOLDERS = ["unit", "vectors", "sim", "hostile", "support"];

export default defineConfig({
  test: {
    // All cores: vitest itself has little to do while they test.
    maxWorkers: "100%",
    // npm run coverage: the protocols, as the tests of the project "unit" reach them.
    coverage: {
      provider: "v8",
      include: ["src/{sctp,dtls,ice}/**/*.ts"],
      reporter: ["text", "html"],
      reportsDirectory: "coverage/lines",
      reportOnFailure: true,
    },
    // The browser tests come last and one file at a time: each starts browsers that want the whole machine.
    projects: [
      {
        test: {
          name: "unit",
          include: TEST_FOLDERS.map((folder) => `test/${folder}/**/*.test.ts`),
          globalSetup: "test/support/setup/kernels.ts",
          // Tests are bounded by counts. The clock only ends one that hangs, on however busy a machine.
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "interop",
          include: ["test/interop/**/*.test.ts", "test/runtimes/**/*.test.ts"],
          globalSetup: "test/support/setup/package.ts",
          testTimeout: 60_000,
          // Those that say "concurrent" wait for timers of seconds, not for the processor.
          maxConcurrency: 100,
          hookTimeout: 120_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: "browser",
          include: ["test/browser/**/*.test.ts"],
          globalSetup: "test/support/setup/package.ts",
          testTimeout: 90_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});

import { defineConfig } from "vitest/config";

/** The unit tests of the mutated folders: those in test/sim/ would run for minutes for each of thousands of mutants. */
export default defineConfig({
  test: {
    include: ["test/unit/{sctp,dtls,ice}/**/*.test.ts", "test/vectors/**/*.test.ts"],
    testTimeout: 120_000,
    globalSetup: "test/support/setup/kernels.ts",
  },
});

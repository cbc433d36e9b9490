import { defineConfig } from "vitest/config";

/**
 * The unit tests of the mutated folders. Those in test/sim/ would run for minutes for each of thousands of mutants, and so would
 * those over lines that lose at random.
 */
export default defineConfig({
  test: {
    include: [process.env.MUTATION_TESTS ?? "test/unit/{sctp,dtls,ice}/**/*.test.ts"],
    exclude: ["**/loss.test.ts", "**/lossy.test.ts"],
    globalSetup: "test/support/setup/kernels.ts",
    testTimeout: 120_000,
  },
});

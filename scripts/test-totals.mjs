/**
 * Reads vitest's JSON report and prints `N passed, N failed`. Exits non-zero where a test failed, none ran, or the command
 * that should have run them did not succeed.
 *
 *   node scripts/test-totals.mjs REPORT EXIT_CODE_OF_THE_TESTS
 */
import { readFileSync } from "node:fs";

const [file, exitCode] = process.argv.slice(2);
const { numPassedTests: passed, failed, problem } = totals(readReport(file));
if (problem) console.error(problem);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;

function totals(report) {
  const { numPassedTests, numFailedTests, testResults } = report;
  // A file that cannot be loaded has no tests that could fail.
  const brokenFiles = testResults.filter(({ status, assertionResults }) => {
    return status === "failed" && !assertionResults.some((test) => test.status === "failed");
  });
  const failed = numFailedTests + brokenFiles.length;
  if (failed === 0 && exitCode !== "0") {
    return { numPassedTests, failed: 1, problem: `a step besides the tests failed (exit code ${exitCode}), see above` };
  }
  return { numPassedTests, failed, problem: numPassedTests === 0 ? "no test passed" : undefined };
}

function readReport(path) {
  const text = readFileSync(path, "utf8");
  // Empty: the build, the linter or the type checker failed before any test.
  return text === "" ? { numPassedTests: 0, numFailedTests: 0, testResults: [] } : JSON.parse(text);
}

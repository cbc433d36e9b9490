/**
 * npm run check:api: what build/ publishes is what docs/api-report/ declares. Exit code 1 where it is not, with the difference.
 *
 *   --update      declares the surface as it is now: review what that changes in docs/api-report/, and commit it
 *
 * Needs a build. Members that say `@internal` are left out: nobody is promised them.
 */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readArguments } from "../arguments.mjs";
import { installNpmFolder } from "../npm-folder.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const manifest = join(root, "package.json");
const reports = join(root, "docs", "api-report");
const fresh = join(root, "node_modules", ".cache", "webrtc-datagram", "api-report");

const { update } = readArguments(import.meta.url, { update: { type: "boolean", default: false } });
installNpmFolder("scripts/checks");
const { CompilerState, Extractor, ExtractorConfig } = createRequire(import.meta.url)("@microsoft/api-extractor");

const files = declarations();
for (const file of files) if (!existsSync(file)) fail(`${file} is missing: run "npm run build" first`);
for (const folder of [reports, fresh]) mkdirSync(folder, { recursive: true });

const configs = files.map(configOf);
const compilerState = CompilerState.create(configs[0], { additionalEntryPoints: files.slice(1) });
const changed = configs.filter((config) => !isAsDeclared(config));
if (changed.length === 0)
  console.log(`${files.length} entry points of the package are as docs/api-report declares them`);
else if (update) console.log(`docs/api-report: ${changed.length} of ${files.length} reports written`);
else fail('The public surface has changed. Where that is meant: "npm run check:api -- --update"');

/** Those of all entry points in package.json, one each. */
function declarations() {
  const { exports } = JSON.parse(readFileSync(manifest, "utf8"));
  const paths = Object.values(exports).flatMap((entry) => [entry.types, entry.browser?.types]);
  return [...new Set(paths.filter((path) => path !== undefined))].map((path) => join(root, path));
}

function configOf(file) {
  const { compilerOptions } = JSON.parse(readFileSync(join(root, "tsconfig.json"), "utf8"));
  const { target, module, moduleResolution, lib, types, strict, skipLibCheck } = compilerOptions;
  const none = { default: { logLevel: "none" } };
  const name = file.match(/([^/\\]+)\.d\.ts$/)[1];
  return ExtractorConfig.prepare({
    configObject: {
      projectFolder: root,
      mainEntryPointFilePath: file,
      compiler: {
        overrideTsconfig: {
          compilerOptions: { target, module, moduleResolution, lib, types, strict, skipLibCheck },
          files: [file],
        },
      },
      apiReport: {
        enabled: true,
        reportVariants: ["public"],
        reportFileName: `${name}.api.md`,
        reportFolder: reports,
        reportTempFolder: fresh,
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      messages: { extractorMessageReporting: none, tsdocMessageReporting: none },
    },
    configObjectFullPath: undefined,
    packageJsonFullPath: manifest,
  });
}

function isAsDeclared(config) {
  const options = { localBuild: update, compilerState, printApiReportDiff: !update, messageCallback: quiet };
  const { apiReportChanged, errorCount } = Extractor.invoke(config, options);
  if (errorCount > 0) fail("API Extractor could not read the declarations, see above");
  return !apiReportChanged;
}

/** Its progress, and its advice to copy the report by hand, are not for here. */
function quiet(message) {
  if (message.messageId === "console-api-report-diff") console.error(message.text);
  message.handled = message.logLevel !== "error";
}

function fail(sentence) {
  console.error(sentence);
  process.exit(1);
}

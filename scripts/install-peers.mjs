/**
 * Installs what the tests talk to and the package itself never needs: browsers, other implementations, a packet
 * analyser. Debian as root: from apt, only what is missing. Elsewhere: one sentence for each missing thing, exit code 1.
 * The npm peers go into test/interop/peers, the runtimes into test/runtimes and two more Chromiums into test/browser/chromium, each
 * with a lock file of its own.
 *
 *   node scripts/install-peers.mjs [--check]      --check: only say what is missing
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { installNpmFolder, isInstalled } from "./npm-folder.mjs";

const NPM_FOLDERS = ["test/interop/peers", "test/runtimes", "test/browser/chromium"];
const checkOnly = process.argv.includes("--check");

/** One Debian package: how to see that it is there already, and what a person elsewhere installs instead. */
const TOOLS = [
  {
    apt: "chromium",
    present: () => onPath("chromium", "chromium-browser", "google-chrome") || process.env.CHROMIUM_PATH,
  },
  { apt: "firefox-esr", present: () => onPath("firefox-esr", "firefox") || process.env.FIREFOX_PATH },
  { apt: "iproute2", present: () => onPath("ip"), elsewhere: "the program ip of iproute2" },
  { apt: "openssl", present: () => onPath("openssl") },
  { apt: "gnutls-bin", present: () => onPath("gnutls-cli") && onPath("gnutls-serv") },
  { apt: "tshark", present: () => onPath("tshark") && onPath("dumpcap") },
  { apt: "gcc", present: () => onPath("gcc") },
  { apt: "libc6-dev", present: () => existsSync("/usr/include/stdio.h"), elsewhere: "the headers of the C library" },
  { apt: "libusrsctp-dev", present: () => existsSync("/usr/include/usrsctp.h"), elsewhere: "usrsctp with its headers" },
  { apt: "libnss3-dev", present: () => existsSync("/usr/include/nss/ssl.h"), elsewhere: "NSS with its headers" },
  { apt: "libnss3-tools", present: () => onPath("certutil") },
  {
    apt: "libmbedtls-dev",
    present: () => existsSync("/usr/include/mbedtls/ssl.h"),
    elsewhere: "mbedTLS with its headers",
  },
  {
    apt: "libwolfssl-dev",
    present: () => existsSync("/usr/include/wolfssl/options.h"),
    elsewhere: "wolfSSL with its headers",
  },
  { apt: "golang-go", present: () => onPath("go") },
  {
    apt: "golang-github-pion-webrtc.v3-dev",
    present: () => existsSync("/usr/share/gocode/src/github.com/pion/webrtc"),
    elsewhere: "pion 3 below /usr/share/gocode/src",
  },
  { apt: "python3-aiortc", present: () => pythonHas("aiortc"), elsewhere: "the Python package aiortc" },
  { apt: "python3-gi", present: () => pythonHas("gi"), elsewhere: "the Python package PyGObject" },
  {
    apt: "gir1.2-gst-plugins-bad-1.0",
    present: () => pythonHas("gi; gi.require_version('GstWebRTC', '1.0')"),
    elsewhere: "GStreamer's introspection data for webrtcbin",
  },
  { apt: "gstreamer1.0-plugins-bad", present: () => hasGstreamer("webrtc"), elsewhere: "GStreamer's webrtcbin" },
  { apt: "gstreamer1.0-nice", present: () => hasGstreamer("nice"), elsewhere: "GStreamer's plugin nice" },
  {
    apt: "python3-cryptography-vectors",
    present: () => existsSync("/usr/lib/python3/dist-packages/cryptography_vectors"),
    elsewhere: "the Python package cryptography_vectors",
  },
];

installTools();
for (const folder of NPM_FOLDERS) installNpmPeers(folder);

function installTools() {
  const missing = TOOLS.filter(({ present }) => !present());
  if (missing.length === 0) return;
  if (checkOnly || !isDebian() || process.getuid?.() !== 0) {
    for (const tool of missing) console.error(howToGet(tool));
    process.exit(1);
  }
  const packages = missing.map(({ apt }) => apt);
  console.log(`apt-get: installing ${packages.join(" ")}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", DEBCONF_NONINTERACTIVE_SEEN: "true" };
  // tshark asks whether others than root may capture. No: the tests capture as root.
  if (packages.includes("tshark") && onPath("debconf-set-selections")) {
    run("debconf-set-selections", [], {
      input: "wireshark-common wireshark-common/install-setuid boolean false\n",
      env,
    });
  }
  // Another apt may be at work, on a machine that has just started.
  const wait = ["-q", "-o", "DPkg::Lock::Timeout=300"];
  // A stale list of some other repository is no reason to stop: the install says what it lacks.
  spawnSync("apt-get", [...wait, "update"], { env, stdio: ["ignore", "inherit", "inherit"] });
  run("apt-get", [...wait, "install", "-y", "--no-install-recommends", ...packages], { env });
  const still = TOOLS.filter(({ present }) => !present());
  if (still.length > 0)
    fail(`apt-get installed ${packages.join(" ")}, yet ${still.map(({ apt }) => apt).join(" ")} cannot be found`);
}

function howToGet({ apt, elsewhere }) {
  if (isDebian()) return `${apt} is missing: install it with "apt-get install --no-install-recommends ${apt}" as root`;
  return `${elsewhere ?? apt} is missing: install it (Debian's package is called ${apt})`;
}

function installNpmPeers(folder) {
  if (checkOnly && !isInstalled(folder)) fail(`the npm packages of ${folder} are missing: run "npm run peers"`);
  installNpmFolder(folder);
}

function run(command, args, options = {}) {
  const { input, ...rest } = options;
  const stdio = [input === undefined ? "ignore" : "pipe", "inherit", "inherit"];
  const { status, error } = spawnSync(command, args, { ...rest, input, stdio });
  if (error) fail(`${command}: ${error.message}`);
  if (status !== 0) fail(`${command} ${args.join(" ")} ended with exit code ${status}`);
}

function fail(sentence) {
  console.error(sentence);
  process.exit(1);
}

function isDebian() {
  if (!onPath("apt-get") || !existsSync("/etc/os-release")) return false;
  return /^(ID|ID_LIKE)=.*(debian|ubuntu)/m.test(readFileSync("/etc/os-release", "utf8"));
}

function onPath(...names) {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  return names.some((name) => folders.some((folder) => isExecutable(join(folder, name))));
}

/** Debian's own Python is asked first: another one on PATH does not see Debian's packages. */
function pythonHas(module) {
  const pythons = [process.env.PYTHON_PATH, "/usr/bin/python3", "python3"].filter(Boolean);
  return pythons.some((python) => spawnSync(python, ["-c", `import ${module}`], { stdio: "ignore" }).status === 0);
}

/** A plugin of GStreamer, by the name of its library. */
function hasGstreamer(plugin) {
  const load = 'gi; gi.require_version("Gst", "1.0"); from gi.repository import Gst; Gst.init(None)';
  return pythonHas(`${load}; assert Gst.Registry.get().find_plugin("${plugin}")`);
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

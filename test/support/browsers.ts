/**
 * Real browsers, headless: Debian's chromium over the DevTools protocol, firefox-esr over WebDriver BiDi. Each launch has
 * a profile of its own. `scripts/install-peers.mjs` installs both; CHROMIUM_PATH and FIREFOX_PATH name others.
 */
import type { ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import puppeteer, { type Browser, type LaunchOptions, type Page } from "puppeteer-core";
import { findCommand } from "./commands.ts";

export type BrowserName = "chromium" | "firefox";
export const BROWSERS: readonly BrowserName[] = ["chromium", "firefox"];

export interface BrowserOptions {
  /**
   * Let Firefox use loopback candidates (two preferences); Chromium does so by itself wherever the machine has another
   * interface. Default true. With false Firefox has its stock preferences and needs an interface address.
   */
  loopback?: boolean;
  /** More preferences, Firefox only. */
  preferences?: Record<string, unknown>;
  /** More command line flags, Chromium only: `--force-fieldtrials=…`. */
  flags?: readonly string[];
}

export interface RunningBrowser {
  readonly name: BrowserName;
  readonly version: string;
  /** A new tab showing `url`; errors thrown in it are kept in `pageErrors`. */
  open(url: string): Promise<Page>;
  readonly pageErrors: readonly string[];
  close(): Promise<void>;
}

const START_TIMEOUT_MS = 60_000;

const CHROMIUM_FLAGS = [
  "--no-sandbox", // root has no user namespace of its own to build a sandbox from
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage",
  // Twenty tabs share one window: those not in front must run at full speed, too.
  "--disable-background-timer-throttling",
  "--disable-backgrounding-occluded-windows",
  "--disable-renderer-backgrounding",
];

/** Only for a machine or network namespace whose single interface is `lo`. */
const CHROMIUM_LOOPBACK_ONLY_FLAGS = [
  "--allow-loopback-in-peer-connection",
  "--disable-features=WebRtcHideLocalIpsWithMdns",
];

const FIREFOX_LOOPBACK_PREFERENCES = {
  "media.peerconnection.ice.loopback": true,
  "permissions.default.microphone": 1,
};

/** The machine's addresses a browser with stock settings reaches: not loopback, not link-local. */
export function interfaceAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, address }) => !internal && !address.startsWith("fe80:"))
    .map(({ address }) => address);
}

export async function launchBrowser(name: BrowserName, options: BrowserOptions = {}): Promise<RunningBrowser> {
  const profile = await mkdtemp(join(tmpdir(), `${name}-profile-`));
  const browser = await puppeteer.launch({ ...launchOptions(name, options), userDataDir: profile });
  const pageErrors: string[] = [];
  return {
    name,
    version: await browser.version(),
    pageErrors,
    async open(url) {
      const page = await browser.newPage();
      page.on("pageerror", (error) => pageErrors.push(String(error)));
      await page.goto(url, { waitUntil: "load", timeout: START_TIMEOUT_MS });
      return page;
    },
    async close() {
      await stop(browser);
      await rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    },
  };
}

function launchOptions(name: BrowserName, options: BrowserOptions): LaunchOptions {
  const common: LaunchOptions = { headless: true, timeout: START_TIMEOUT_MS, protocolTimeout: 120_000 };
  const loopbackOnly = interfaceAddresses().length === 0;
  if (name === "firefox") {
    const preferences = (options.loopback ?? true) || loopbackOnly ? FIREFOX_LOOPBACK_PREFERENCES : {};
    const extraPrefsFirefox = { ...preferences, ...options.preferences };
    return { ...common, browser: "firefox", executablePath: firefoxPath(), extraPrefsFirefox };
  }
  const flags = loopbackOnly ? [...CHROMIUM_FLAGS, ...CHROMIUM_LOOPBACK_ONLY_FLAGS] : CHROMIUM_FLAGS;
  return { ...common, executablePath: chromiumPath(), args: [...flags, ...(options.flags ?? [])] };
}

function chromiumPath(): string {
  return findCommand(["chromium", "chromium-browser", "google-chrome"], "CHROMIUM_PATH");
}

function firefoxPath(): string {
  return findCommand(["firefox-esr", "firefox"], "FIREFOX_PATH");
}

/** Asks first; a browser that does not answer within five seconds is killed. */
async function stop(browser: Browser): Promise<void> {
  const child: ChildProcess | null = browser.process();
  const kill = setTimeout(() => child?.kill("SIGKILL"), 5_000);
  try {
    await browser.close();
  } catch {
    child?.kill("SIGKILL");
  } finally {
    clearTimeout(kill);
  }
}
